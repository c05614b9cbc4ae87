"""From the exchange to the bus: what a caller says becomes the session's audio."""

from __future__ import annotations

from typing import Final

from edge.clock import now_s
from edge.telephony.ear import Ear
from edge.telephony.events import Spoken
from edge.telephony.office import KIND
from edge.timeline import AudioClock
from schemas.audio import CALLER_RATE_HZ
from schemas.stt import TranscribeRequest
from voicebus import channel_metrics, metrics
from voicebus.sessions.session import Session

_BYTES_PER_S: Final = CALLER_RATE_HZ * 2
_CHUNK_BYTES: Final = _BYTES_PER_S * 40 // 1000
"""Two frames in one message: what a message costs is most of what a call costs, and recognition
looks at 32 ms at a time."""


class Hearing:
    """One caller's audio on its way.

    Args:
        session: Where it goes.
        clock: Notes when it came.
    """

    def __init__(self, session: Session, clock: AudioClock) -> None:
        self._session = session
        self._request: TranscribeRequest | None = None
        self._clock = clock
        self._ear = Ear()
        self._waiting = bytearray()
        self._counted = metrics.EDGE_AUDIO_SECONDS.labels(KIND, "up")

    async def begin(self, request: TranscribeRequest) -> None:
        """It is known how the caller is to be understood: what was said up to now goes first."""
        while len(self._waiting) >= _CHUNK_BYTES:
            await self._send(request, _BYTES_PER_S)
        self._request = request

    async def take(self, spoken: Spoken) -> None:
        """Take a piece. Before :meth:`begin` it waits."""
        self._waiting += self._ear.take(spoken, now_s())
        if self._request is not None and len(self._waiting) >= _CHUNK_BYTES:
            await self._send(self._request, len(self._waiting))

    async def _send(self, request: TranscribeRequest, size: int) -> None:
        pcm = bytes(self._waiting[:size])
        del self._waiting[:size]
        await self._session.send_audio(pcm, request)
        self._clock.note(self._session.offset, now_s())
        self._counted.inc(len(pcm) / _BYTES_PER_S)

    def close(self, protocol: str) -> None:
        """Count what was lost of it."""
        lost_s, dropped_s = self._ear.jitter.lost_ms / 1000, self._ear.flooded_s
        channel_metrics.TELEPHONY_LOST_SECONDS.labels(protocol).inc(lost_s)
        channel_metrics.TELEPHONY_DROPPED_SECONDS.labels(protocol).inc(dropped_s)
