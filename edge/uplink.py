"""From the client to the bus: bytes of any kind become the session's audio."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import structlog
from msgspec.structs import replace

from edge import wire
from edge.clock import now_s
from edge.file import File, Teller
from edge.settings import EdgeSettings
from edge.timeline import AudioClock
from schemas.audio import CALLER_RATE_HZ
from schemas.session import TurnTakingSet
from schemas.stt import TranscribeRequest
from voicebus import metrics
from voicebus.audio.containers import Container
from voicebus.audio.pcm import PcmAligner
from voicebus.audio.sniff import sniff
from voicebus.errors import AudioError, ProtocolError, VoicebusError
from voicebus.sessions.session import Session

log: Final = structlog.get_logger()

_MAX_CHUNK_BYTES: Final = CALLER_RATE_HZ // 5 * 2
_BYTES_PER_S: Final = CALLER_RATE_HZ * 2
_NOTICE_EVERY_S: Final = 5.0


class Client(Teller, Protocol):
    """Who sends the audio, and is told what is wrong with it."""

    async def pay(self, audio_s: float) -> None:
        """Wait until more may be sent, after this much audio."""
        ...


class Uplink:
    """Takes a client's binary frames, until it ends the stream; then takes the next stream.

    Args:
        session: Where the audio goes.
        clock: Notes when it arrived.
        settings: The limits.
        start: How the session is to be; files are one turn each, however it takes turns.
        client: Where to the client is told something.

    Attributes:
        is_muted: Whether live audio is taken as silence.
    """

    def __init__(
        self,
        session: Session,
        clock: AudioClock,
        settings: EdgeSettings,
        start: wire.Start,
        client: Client,
    ) -> None:
        self._session = session
        self._clock = clock
        self._settings = settings
        self._request = TranscribeRequest(settings=start.settings())
        self._format = start.input.format
        self._wanted: str = start.turn_taking
        self._turn_taking: str = start.turn_taking
        self._client = client
        self._head = b""
        self._aligner = PcmAligner()
        self._kind: Container | None = None
        self._file: File | None = None
        self._ignored = False
        self._begun_s: float | None = None
        self._live_bytes = 0
        self._notice_s = 0.0
        self._ended = 0
        self._heard_s = metrics.EDGE_AUDIO_SECONDS.labels("websocket", "up")
        self.is_muted = False

    @property
    def is_manual(self) -> bool:
        """Whether the end of the stream, and not a pause, ends the running turn."""
        return self._turn_taking == "manual"

    @property
    def is_pending(self) -> bool:
        """Whether some of what was taken waits here, to be looked at or decoded."""
        return bool(self._head) or self._file is not None or self._aligner.is_within_a_sample

    @property
    def at(self) -> wire.At:
        """What an edge has to know that goes on here."""
        is_live = self._kind is Container.PCM
        return wire.At(samples=self._session.offset, live=is_live, muted=self.is_muted)

    async def go_on(self, at: wire.At, utterance: int) -> None:
        """Go on where another edge was; ``utterance`` is the last that the client has from it."""
        self.is_muted = at.muted
        if at.live:
            self._kind = Container.PCM
        else:
            self._turn_taking = ""  # nobody knows: the next stream says it
            self._ended = at.samples
        request = replace(self._request, resumed=True, utterance=utterance)
        await self._session.hear_on(request, at.samples)

    async def take(self, data: bytes) -> None:
        """Take a binary frame.

        Raises:
            AudioError: What begins here is no audio; the rest of the stream is ignored.
        """
        if self._ignored or not data:
            return
        if self._kind is None:
            self._head += data
            kind = self._sniffed()
            if kind is None:
                return
            data, self._head = self._head, b""
            await self._begin(kind)
        if self._file is not None:
            await self._file.feed(data)
        else:
            await self._live(self._aligner.push(data))

    async def end(self) -> bool:
        """The client ended the stream: what is pending becomes final.

        Returns:
            False when there was no audio in it: the client has been told, nobody else will answer.

        Raises:
            AudioError: The stream was no audio at all, or damaged.
        """
        head, self._head = self._head, b""
        ignored, self._ignored = self._ignored, False
        file = self._file
        kind, self._kind = self._kind, None
        if file is not None:
            await file.finish()
            self._file = None  # not before: whoever ends us meanwhile has it to close
        elif kind is None and head and not ignored:
            await self._begin(Container.PCM)
            self._kind = None
            await self._live(self._aligner.push(head))
        if self._aligner.finish():
            self._client.report(
                ProtocolError(
                    "the audio ended in half a sample, which was dropped", "audio_odd_bytes"
                )
            )
        if self._session.offset == self._ended:
            if file is None and not ignored:
                self._client.tell({"type": "nothing_heard"})
            return False
        self._ended = self._session.offset
        await self._session.end_audio()
        return True

    async def close(self) -> None:
        """The client is gone."""
        self._client = _Nobody()  # who holds this, as it does: both are freed at once
        if self._file is not None:
            await self._file.close()
            self._file = None

    def _sniffed(self) -> Container | None:
        if self._format == "pcm_s16le":
            return Container.PCM
        try:
            return sniff(self._head)
        except AudioError:
            self._ignored = True
            self._head = b""
            raise

    async def _begin(self, kind: Container) -> None:
        self._kind = kind
        wanted = self._wanted if kind is Container.PCM else "manual"
        if wanted != self._turn_taking:
            self._turn_taking = wanted
            await self._session.tell(TurnTakingSet(turn_taking=wanted))
        if kind is not Container.PCM:
            self._file = File(kind, self._settings.max_file_s, self._publish, self._client)

    async def _live(self, pcm: bytes) -> None:
        if not pcm:
            return
        if self.is_muted:
            pcm = bytes(len(pcm))
        now = now_s()
        if self._begun_s is None:
            self._begun_s = now
        self._live_bytes += len(pcm)
        for first in range(0, len(pcm), _MAX_CHUNK_BYTES):
            await self._publish(pcm[first : first + _MAX_CHUNK_BYTES])
        ahead_s = self._live_bytes / _BYTES_PER_S - (now - self._begun_s)
        if ahead_s < 0:
            # A client that paused has not earned a burst of that length.
            self._begun_s += -ahead_s
        await self._hold_back(self._begun_s + self._live_bytes / _BYTES_PER_S)

    async def _hold_back(self, played_s: float) -> None:
        """Read on when no more than the limit is ahead of real time.

        The notice is repeated: a client that is gone is noticed by sending, for its goodbye waits
        behind all that it sent.
        """
        limit_s = self._settings.ahead_s
        while (over_s := played_s - limit_s - (now := now_s())) > 0:
            if now >= self._notice_s:
                self._notice_s = now + _NOTICE_EVERY_S
                self._client.report(
                    ProtocolError(
                        f"audio comes more than {limit_s:g} s ahead of real time; "
                        "it is read more slowly from here on",
                        "audio_too_fast",
                    )
                )
            await asyncio.sleep(min(over_s, _NOTICE_EVERY_S))

    async def _publish(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm, self._request)
        self._clock.note(self._session.offset, now_s())
        audio_s = len(pcm) / _BYTES_PER_S
        self._heard_s.inc(audio_s)
        await self._client.pay(audio_s)


class _Nobody:
    """Instead of a client that is gone."""

    def tell(self, message: dict[str, Any]) -> None:
        """It is told nothing."""

    def report(self, err: VoicebusError) -> None:
        """Nor of errors."""

    async def pay(self, audio_s: float) -> None:
        """It does not wait."""
