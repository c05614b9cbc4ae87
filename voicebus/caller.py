"""A caller: speaks recordings into ``/ws`` in real time and times the answer at its own ear.

The clock is ``time.perf_counter`` of this process, started when the frame with the last speech
sample is sent and stopped when the frame with the first audible sample of the answer arrives.
What the server says about its own stages is collected, and is not what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from websockets.exceptions import ConnectionClosed

from voicebus.audio.loudness import last_speech_sample
from voicebus.errors import BusTimeout, BusUnavailable, NoWorker, VoicebusError
from voicebus.exchange import Exchange, TurnHeard, error_of
from voicebus.link import link

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import numpy as np
    from numpy.typing import NDArray

    from voicebus.exchange import Message
    from voicebus.link import Link

RATE_HZ: Final = 16_000
"""Rate of all recordings that a caller speaks."""

_FRAME_SAMPLES: Final = RATE_HZ // 50
_SILENCE: Final = bytes(2 * _FRAME_SAMPLES)
_POLL_S: Final = 0.05

_HEARD_AT: Final = {"audio_start": "played", "audio_complete": "played", "flush": "flushed"}
"""What is answered with how much was heard, and what that answer is called."""

PATIENCE_S: Final = 3.0
"""Silence without a sign of speech after which the caller ends the stream to get a verdict."""


class Ending(enum.Enum):
    """What a caller does when its recording is over."""

    SILENCE = "silence"
    """Stays on the line: silence follows, and the server must notice the pause."""
    END_STREAM = "end_stream"
    """Says ``end_stream``: nothing is left to wait for."""


class Start(Struct, frozen=True, kw_only=True):
    """What a caller asks for in its first message; empty strings leave it to the server.

    Fields
        settings: Further fields of ``start``, as the protocol names them; they go before the rest.
    """

    output_rate_hz: int = 24_000
    language: str = ""
    voice: str = ""
    instructions: str = ""
    turn_taking: str = "pause"
    settings: dict[str, Any] = {}

    def message(self) -> Message:
        """Return the ``start`` message."""
        return {
            "type": "start",
            "input": {"format": "pcm_s16le"},
            "output": {"audio": True, "sample_rate": self.output_rate_hz},
            "language": self.language,
            "voice": self.voice,
            "instructions": self.instructions,
            "turn_taking": self.turn_taking,
            "resume": True,
            **self.settings,
        }


class Caller:
    """One session; made by :func:`call`. Speaks, types, and hears what comes back."""

    def __init__(
        self,
        line: Link,
        wait_s: float,
        observe: Callable[[Message], None],
    ) -> None:
        self._line = line
        self._wait_s = wait_s
        self._observe = observe
        self.session_id = ""

    async def speak(
        self, recording: NDArray[np.int16], ending: Ending = Ending.SILENCE
    ) -> TurnHeard:
        """Speak a recording in real time, 20 ms at a time, and hear the answer to its end.

        Args:
            recording: Mono samples at 16 kHz.
            ending: What follows the recording.

        Raises:
            VoicebusError: What the server said went wrong, outside of any turn.
            BusUnavailable: The connection broke, and could not be made anew in time.
            BusTimeout: The server sent nothing for ``wait_s`` seconds.
            ProtocolError: The server sent something that is not of the protocol.
        """
        exchange = Exchange()
        async with asyncio.TaskGroup() as group:
            voice = group.create_task(self._voice(exchange, recording, ending))
            await self._listen(exchange)
            voice.cancel()
        return self._heard(exchange)

    async def type_text(self, text: str) -> TurnHeard:
        """Type a turn and hear the answer to its end; raises what :meth:`speak` raises."""
        exchange = Exchange()
        exchange.last_word_at = exchange.sent_at = time.perf_counter()
        exchange.is_open = True
        with contextlib.suppress(ConnectionClosed):  # listening tells why
            await self._line.send({"type": "text", "text": text})
        await self._listen(exchange)
        return self._heard(exchange)

    async def keep_quiet(self, seconds: float) -> float:
        """Stay on the line and say nothing, in real time; return how late the latest frame left.

        What the system says meanwhile is heard and forgotten. Raises what :meth:`speak` raises.
        """
        exchange = Exchange()
        began_at = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            ears = group.create_task(self._listen(exchange))
            with contextlib.suppress(ConnectionClosed):  # listening tells why
                for number in range(round(seconds * RATE_HZ / _FRAME_SAMPLES)):
                    if exchange.fatal is not None:
                        break
                    await self._pace(exchange, began_at + number * _FRAME_SAMPLES / RATE_HZ)
                    await self._line.send(_SILENCE)
            ears.cancel()
        if exchange.fatal is not None:
            raise exchange.fatal
        return exchange.send_lag_s

    def _heard(self, exchange: Exchange) -> TurnHeard:
        if exchange.fatal is not None:
            raise exchange.fatal
        return exchange.heard(self.session_id)

    async def _voice(
        self, exchange: Exchange, recording: NDArray[np.int16], ending: Ending
    ) -> None:
        """Send the recording by an absolute schedule, then what ``ending`` says; is cancelled."""
        last_speech = last_speech_sample(recording, RATE_HZ)
        began_at = time.perf_counter()
        with contextlib.suppress(ConnectionClosed):  # listening tells why
            for start in range(0, len(recording), _FRAME_SAMPLES):
                await self._pace(exchange, began_at + start / RATE_HZ)
                frame = recording[start : start + _FRAME_SAMPLES]
                if last_speech is not None and start <= last_speech < start + len(frame):
                    exchange.last_word_at = time.perf_counter()
                await self._line.send(frame.astype("<i2").tobytes())
            exchange.sent_at = time.perf_counter()
            due_at = began_at + len(recording) / RATE_HZ
            while ending is Ending.SILENCE and (
                exchange.has_sign_of_speech or due_at - exchange.sent_at < PATIENCE_S
            ):
                await self._pace(exchange, due_at)
                await self._line.send(_SILENCE)
                due_at += _FRAME_SAMPLES / RATE_HZ
            await self._line.send({"type": "end_stream"})

    async def _pace(self, exchange: Exchange, due_at: float) -> None:
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        exchange.send_lag_s = max(exchange.send_lag_s, time.perf_counter() - due_at)

    async def _listen(self, exchange: Exchange) -> None:
        """Feed the exchange until it is over; what goes wrong becomes its ``fatal``."""
        began_at = time.perf_counter()
        while not exchange.is_over(now := time.perf_counter()):
            quiet_s = now - max(began_at, exchange.last_sign_at, exchange.sent_at or now)
            if quiet_s > self._wait_s:
                said = f" It had said: {exchange.errors[-1]}" if exchange.errors else ""
                exchange.fatal = BusTimeout(f"The server sent nothing for {quiet_s:.0f} s.{said}")
                return
            try:
                async with asyncio.timeout(_POLL_S):
                    message = await self._line.receive()
            except TimeoutError:
                continue
            except ConnectionClosed as err:
                exchange.fatal = _lost(err)
                return
            except VoicebusError as err:
                exchange.fatal = err
                return
            at = time.perf_counter()
            if not isinstance(message, bytes):
                self._observe(message)
            exchange.take(message, at)
            await self._say_heard(exchange, message)

    async def _say_heard(self, exchange: Exchange, message: Message | bytes) -> None:
        """Tell the server what was heard: all that is there counts, for nobody really listens.

        A server that is told from the first sound on waits for the answer to a flush.
        """
        if isinstance(message, bytes):
            return
        told = _HEARD_AT.get(message["type"])
        if told is not None:
            turn = message["turn"]
            played_ms = exchange.turns[turn].audio_ms
            with contextlib.suppress(ConnectionClosed):  # listening tells why
                await self._line.send({"type": told, "turn": turn, "played_ms": played_ms})

    async def open(self, start: Start) -> None:
        """Send ``start`` and wait until workers hold the session.

        Raises:
            VoicebusError: What the server said was in the way.
            BusUnavailable: The connection broke.
            NoWorker: No worker took the session in time.
        """
        told: VoicebusError | None = None
        try:
            async with asyncio.timeout(self._wait_s):
                await self._line.start(start.message())
                while True:
                    message = await self._line.receive()
                    if isinstance(message, bytes):
                        continue
                    if message["type"] == "ready":
                        break
                    self._observe(message)
                    self.session_id = message.get("session_id", self.session_id)
                    if message["type"] == "error":
                        told = error_of(message["code"], message["message"])
                        told.retry_after_s = float(message.get("retry_after_s") or 0.0)
                        if not message.get("retryable"):
                            raise told
        except TimeoutError as err:
            waited = f"No worker took the session within {self._wait_s:.0f} s."
            raise told or NoWorker(waited) from err
        except ConnectionClosed as err:
            raise told or _lost(err) from err


@contextlib.asynccontextmanager
async def call(
    url: str,
    start: Start | None = None,
    *,
    wait_s: float = 30.0,
    observe: Callable[[Message], None] = lambda _: None,
    key: str = "",
) -> AsyncGenerator[Caller]:
    """Call a voicebus system; the session is ready when the body runs.

    Args:
        url: Address of ``/ws``.
        start: What to ask for.
        wait_s: How long the server may be silent when something is due.
        observe: Gets every JSON message as it arrives.
        key: API key, where the system wants one.

    Raises:
        ConfigError: ``url`` is not a WebSocket address.
        AccessDenied: The system wants a key, or another one.
        LimitReached: The system wants to be left alone for a while.
        BusUnavailable: Nobody answers there.
        ProtocolError: Somebody answers who does not speak the protocol.
        VoicebusError: What the server said was in the way.
    """
    async with link(url, key) as line:
        caller = Caller(line, wait_s, observe)
        await caller.open(start or Start())
        yield caller


def _lost(err: ConnectionClosed) -> BusUnavailable:
    reason = err.rcvd.reason if err.rcvd is not None else ""
    return BusUnavailable("The server closed the connection" + (f": {reason}" if reason else "."))
