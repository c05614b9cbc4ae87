"""One telephone call: what its caller says goes up, what the workers say goes down in time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from msgspec.structs import asdict, replace

from edge import wire as client_wire
from edge.buckets import Bucket
from edge.clock import now_s
from edge.downlink import Downlink
from edge.telephony.comfort import comfort_noise
from edge.telephony.events import (
    Begun,
    Happening,
    HungUp,
    Pressed,
    Reached,
    Spoken,
    Throttled,
    Unthrottled,
    Wire,
)
from edge.telephony.hearing import Hearing
from edge.telephony.line import Line
from edge.telephony.mouth import Mouth
from edge.telephony.office import KIND, Office
from edge.telephony.vigil import Vigil
from edge.timeline import AudioClock
from schemas.event import Event
from schemas.session import CancelAsked, KeysPressed
from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from voicebus import metrics
from voicebus.conversations import joined
from voicebus.errors import NoWorker, ProtocolError, VoicebusError
from voicebus.sessions.session import Session

log: Final = structlog.get_logger()

_FAREWELL_S: Final = 10.0
"""How long what is being said may take when the call is to end."""

_LAST_WORD_S: Final = 0.2
"""What an exchange keeps of what it got: hung up sooner, the last word would be cut."""

_LINK_CODE: Final = "link_code"
"""Parameter of a call that goes on with a conversation from elsewhere."""

_KEYS_PER_S: Final = 10
_KEYS_AT_ONCE: Final = 32
"""Nobody presses faster; what is more is passed over."""

_FRAMES_PER_S: Final = 500
"""A call needs fifty of audio, and some for marks; ten seconds' worth may come at once."""


class Call:
    """A call that was taken.

    Args:
        session: Its session.
        wire: Its protocol.
        line: Its connection.
        office: What it shares with others.
        begun: What it is.
    """

    def __init__(
        self, session: Session, wire: Wire, line: Line, office: Office, begun: Begun
    ) -> None:
        settings = office.settings
        comfort = comfort_noise(begun.sound, settings.comfort_dbfs) if wire.is_steady else b""
        self._session = session
        self._wire = wire
        self._line = line
        self._settings = settings
        self._metronome = office.metronome
        self._turnstile = office.turnstile
        self._sound = begun.sound
        self._begun = begun
        self._clock = AudioClock()
        self._hearing = Hearing(session, self._clock)
        self._downlink = Downlink(self._clock, client_wire.Medium.SPEECH, KIND, session.responded)
        self._mouth = Mouth(begun.sound, wire.frame_ms, comfort)
        self._news: asyncio.Queue[Event] = asyncio.Queue()
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._goodbye: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._said_all = asyncio.Event()
        self._begun_s = now_s()
        self._vigil = Vigil(self._begun_s)
        self._keys = 0
        self._fingers = Bucket(60 * _KEYS_PER_S, _KEYS_AT_ONCE)
        self._frames = Bucket(60 * _FRAMES_PER_S, 10 * _FRAMES_PER_S)

    async def run(self, protocol: str, chosen: SessionSettings, further: list[Happening]) -> str:
        """Run until the call is over; return why it is."""
        self._metronome.join(self, self._beat, self._break)
        works = (self._down(chosen), self._report(), self._limits(), self._farewell())
        tasks = [asyncio.create_task(work) for work in (self._hear(further), *works)]
        try:
            ends: list[asyncio.Future[Any]] = [*tasks, self._over]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return self._reason(ends)
        finally:
            self._metronome.leave(self)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._hearing.close(protocol)

    async def _converse(self, chosen: SessionSettings) -> tuple[SessionSettings, list[Event]]:
        """Ask for a worker, and wait until the call is in the conversation of its caller.

        Returns:
            How it is, and what else the workers have said meanwhile.
        """
        code = self._begun.parameters.get(_LINK_CODE, "")
        join = self._settings.conversation_of(self._begun.caller, code)
        request = ConverseRequest(settings=chosen, output_rate_hz=self._sound.spoken_hz, join=join)
        await self._session.converse(request)
        early: list[Event] = []
        if join is not None or chosen.persona:
            answer = await joined(self._session, self._settings.claim_s, early.append)
            chosen = replace(chosen, **asdict(answer.settings))
        return chosen, early

    def _reason(self, ends: list[asyncio.Future[Any]]) -> str:
        if self._over.done() and self._over.exception() is None:
            return self._over.result()
        failed = [e.exception() for e in ends if e.done() and not e.cancelled() and e.exception()]
        for err in failed:
            if not isinstance(err, VoicebusError):
                assert err is not None
                raise err
            reason = str(client_wire.error(err)["code"])
            if reason != "lost":
                metrics.CLIENT_ERRORS.labels(KIND, reason).inc()
            log.info("call.broken", code=reason)
            return reason
        # The farewell was said, or the edge shuts down.
        return self._goodbye.result() if self._goodbye.done() else "shutdown"

    async def _hear(self, happened: list[Happening]) -> None:
        while True:
            for one in happened:
                await self._take(one)
            frame = await self._line.receive()
            if frame is None:
                self._end("client")
                return
            if self._frames.spend(1, now_s()):
                raise ProtocolError("frames come faster than any call needs", "too_fast")
            happened = self._wire.received(frame)

    async def _take(self, happened: Happening) -> None:
        match happened:
            case Spoken():
                self._vigil.hear(happened.sound.ms(len(happened.data)), now_s())
                await self._hearing.take(happened)
            case Pressed() if not self._fingers.take(1, now_s()):
                self._vigil.see(now_s())
                self._keys += 1
                self._downlink.typed(now_s())
                await self._session.relay(KeysPressed(digits=happened.digit), self._keys)
            case Reached():
                self._mouth.reached(happened.mark, now_s())
            case Throttled():
                self._mouth.throttle(now_s())
            case Unthrottled():
                self._mouth.unthrottle(now_s())
            case HungUp():
                self._end(happened.reason)

    def _end(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_result(reason)

    def _break(self, err: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(err)

    def _beat(self, beat: int, at_s: float) -> None:
        """Send what is due. Called by the metronome."""
        if self._over.done():
            return
        said = self._mouth.beat(beat, at_s)
        try:
            for audio in said.audio:
                self._line.send(self._wire.audio(audio))
            if self._wire.has_marks:
                for mark in said.marks:
                    self._send(self._wire.mark(mark))
        except VoicebusError as err:
            self._break(err)
        for event in self._mouth.settle(at_s):
            self._news.put_nowait(event)
        if self._mouth.is_talking:
            self._said_all.clear()
        else:
            self._said_all.set()

    def _send(self, frames: list[Any]) -> None:
        for frame in frames:
            self._line.send(frame)

    async def _report(self) -> None:
        """Tell the workers what was heard. Runs until cancelled."""
        while True:
            await self._session.tell(await self._news.get())

    async def _down(self, chosen: SessionSettings) -> None:
        """Join, then take what the workers say. The line is heard, and has its beat, meanwhile."""
        chosen, early = await self._converse(chosen)
        await self._hearing.begin(TranscribeRequest(settings=chosen))
        for event in early:
            await self._heed(event)
        async for _, event in self._session.inbox:
            await self._heed(event)

    async def _heed(self, event: Event) -> None:
        for told in self._downlink.take(event, now_s()):
            if isinstance(told, bytes):
                async with self._turnstile:
                    self._mouth.say(told)
            else:
                await self._tell(told, int(told.get("turn", 0)))

    async def _tell(self, told: dict[str, Any], turn: int) -> None:
        mouth, at_s = self._mouth, now_s()
        match told["type"]:
            case "turn_started":
                self._quiet.clear()
                mouth.begin(turn, at_s)
            case "audio_start":
                mouth.open(turn, told["sample_rate"])
            case "audio_complete":
                mouth.complete(turn)
            case "pause":
                mouth.pause(turn, at_s)
            case "resume":
                mouth.resume(turn, at_s)
            case "flush":
                mouth.drop(turn, at_s)
                if frames := self._wire.clear():
                    self._send(frames)
                    mouth.cleared()
            case "turn_ended":
                mouth.end(turn, at_s)
                self._quiet.set()
            case _:
                await self._tell_of_call(told, turn)

    async def _tell_of_call(self, told: dict[str, Any], turn: int) -> None:
        match told["type"]:
            case "hang_up" if not self._goodbye.done():
                self._goodbye.set_result(told["reason"])
            case "error":
                await self._failed(told, turn)

    async def _failed(self, told: dict[str, Any], turn: int) -> None:
        log.warning("call.told_of_failure", code=told["code"], stage=told["stage"], turn=turn)
        if turn and told["stage"] == "edge":
            await self._session.tell(CancelAsked())  # a reply without its head is none
        elif not turn and not told["retryable"]:
            raise ProtocolError(told["message"], told["code"])  # nobody listens any more

    async def _farewell(self) -> None:
        """Return when the call is to end and what is being said has been heard."""
        await asyncio.wait((self._goodbye,))
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._quiet.wait()
                await self._said_all.wait()
        except TimeoutError:
            log.info("session.farewell_cut_short")
        await asyncio.sleep(_LAST_WORD_S)

    async def _limits(self) -> None:
        settings = self._settings
        while True:
            await asyncio.sleep(min(1.0, settings.claim_s / 4, settings.idle_s / 4))
            if now_s() - self._begun_s > settings.max_call_s and not self._goodbye.done():
                raise ProtocolError("the call has reached its longest time", "session_too_long")
            if now_s() - self._vigil.seen_s > settings.idle_s:
                raise ProtocolError(f"nothing was heard for {settings.idle_s:g} s", "idle")
            for role, asked_s in (("turn", self._begun_s), ("stt", self._clock.begun_s)):
                waited_s = now_s() - asked_s if asked_s is not None else 0.0
                if role not in self._downlink.claimed and waited_s > settings.claim_s:
                    raise NoWorker("no worker is free to take this call; try again later")
