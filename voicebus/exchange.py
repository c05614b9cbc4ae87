"""One recording or typed text and what answers it: takes messages and their times, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from voicebus.audio.loudness import first_audible_sample
from voicebus.errors import ProtocolError, VoicebusError
from voicebus.waterfall import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    Message = dict[str, Any]

SETTLE_S: Final = 1.0
"""How long after the last word the server may still announce an utterance that it noticed late."""

_NOTICES: Final = frozenset({"audio_odd_bytes", "audio_too_fast", "audio_truncated", "too_fast"})
"""Error codes that stop nothing."""


class TurnHeard(Struct, frozen=True, kw_only=True):
    """What a caller heard in answer to one recording or text.

    A recording with pauses in it may be several turns: their texts are joined with a space, their
    audio is joined, and latencies are those of the last one.

    Fields
        transcript: The caller's words as the server understood them.
        reply: The answer's words.
        audio: The answer, s16le mono at ``rate_hz``; without what was flushed.
        rate_hz: Its sample rate.
        audio_seconds: Its length.
        arrivals: When it came: how many of its bytes were there, and since when, on the caller's
            clock.
        response_ms: From the last speech sample sent (or the text) to the first audible sample
            received; None when there was none.
        server_response_ms: The same as the server measured it, where it did.
        server_stages: Its parts as the server measured them.
        errors: Messages of the errors that belong to turns, and of notices.
        send_lag_ms_max: How late the latest frame left; a measurement with a large one is void.
        turns: How many turns it was; 0 when no words were heard.
        session_id: The session it belongs to.
        synthetic: True when a synthetic engine made any part of it.
    """

    transcript: str
    reply: str
    audio: bytes
    rate_hz: int
    audio_seconds: float
    arrivals: tuple[tuple[int, float], ...]
    response_ms: float | None
    server_response_ms: float | None
    server_stages: tuple[Stage, ...]
    errors: tuple[str, ...]
    send_lag_ms_max: float
    turns: int
    session_id: str
    synthetic: bool


class TurnInProgress:
    """One turn while it is being heard."""

    def __init__(self) -> None:
        self.text = ""
        self.is_unasked = False  # the assistant speaks by itself
        self.reply = ""
        self.rate_hz = 0
        self.audio = bytearray()
        self.arrivals: list[tuple[int, float]] = []  # bytes so far, when they were there
        self.is_speaking = False
        self.paused_at: float | None = None
        self.paused_s = 0.0
        self.outcome = ""
        self.latency: Message = {}

    @property
    def is_over(self) -> bool:
        """Whether nothing of this turn can follow any more."""
        return bool(self.outcome) and (not self.is_speaking or self.outcome != "completed")

    @property
    def audio_ms(self) -> int:
        """Length of the audio that was received and not flushed."""
        return len(self.audio) * 500 // self.rate_hz if self.rate_hz else 0

    def take(self, message: Message, at: float) -> None:
        """Take a message about this turn, received at ``at``."""
        match message["type"]:
            case "reply_text":
                self.reply = ("" if message.get("anew") else self.reply) + message["text"]
            case "reply_done":
                self.reply = message["text"]
            case "latency":
                self.latency = message
            case "pause" if self.paused_at is None:
                self.paused_at = at
            case "resume":
                self._resume(at)
            case "flush":
                self._flush(at)
            case "audio_complete":
                self.is_speaking = False
            case "turn_ended":
                self.outcome = message["outcome"]

    def _resume(self, at: float) -> None:
        if self.paused_at is not None:
            self.paused_s += at - self.paused_at
            self.paused_at = None

    def _flush(self, at: float) -> None:
        """Forget what a player would not have played by ``at``."""
        if self.arrivals:
            self._resume(at)
            played_s = max(0.0, at - self.arrivals[0][1] - self.paused_s)
            del self.audio[2 * int(played_s * self.rate_hz) :]

    def audible_at(self) -> float | None:
        """When the first audible sample arrived."""
        if not self.audio:
            return None
        samples = np.frombuffer(bytes(self.audio[: len(self.audio) & ~1]), dtype="<i2")
        first = first_audible_sample(samples, self.rate_hz)
        if first is None:
            return None
        return next(at for size, at in self.arrivals if size > 2 * first)


class Exchange:
    """One recording and what answers it: takes messages with their times, does no I/O."""

    def __init__(self) -> None:
        self.turns: dict[int, TurnInProgress] = {}
        self.speaking: TurnInProgress | None = None
        self.errors: list[str] = []
        self.fatal: VoicebusError | None = None
        self.sent_at: float | None = None
        self.last_word_at: float | None = None
        self.last_sign_at = 0.0
        self.is_open = False  # an utterance or a final that no turn has answered yet
        self.nothing_heard = False
        self.synthetic = False
        self.send_lag_s = 0.0

    def take(self, message: Message | bytes, at: float) -> None:
        """Take what the server sent, received at ``at``."""
        self.last_sign_at = at
        if isinstance(message, bytes):
            if self.speaking is not None:
                self.speaking.audio += message
                self.speaking.arrivals.append((len(self.speaking.audio), at))
            return
        self.synthetic |= bool(message.get("synthetic"))
        number = message.get("turn")
        if number and message["type"] == "error" and number not in self.turns:
            self.errors.append(message["message"])  # of a turn before: it is not heard here
        elif number:
            is_unasked = _is_unasked(message)
            # A new turn has taken the words that were open, unless it is the assistant's own.
            self.is_open &= number in self.turns or is_unasked
            self._take_turn(self.turns.setdefault(number, TurnInProgress()), message, at)
        elif message["type"] in {"speech_started", "partial"}:
            self.is_open = True
        elif message["type"] == "final":
            self.is_open = bool(message["text"])
        elif message["type"] == "nothing_heard":
            self.is_open, self.nothing_heard = False, True
        elif message["type"] == "error":
            self._take_error(message)

    def _take_turn(self, turn: TurnInProgress, message: Message, at: float) -> None:
        match message["type"]:
            case "turn_started":
                turn.text, turn.is_unasked = message["text"], _is_unasked(message)
            case "audio_start":
                turn.rate_hz, turn.is_speaking = message["sample_rate"], True
                self.speaking = turn
            case "error":
                self.errors.append(message["message"])
            case _:
                turn.take(message, at)

    def _take_error(self, message: Message) -> None:
        self.errors.append(message["message"])
        if message["code"] not in _NOTICES and not message.get("retryable"):
            self.fatal = error_of(message["code"], message["message"])

    def is_over(self, now: float) -> bool:
        """Whether nothing of this exchange can follow any more."""
        if self.fatal is not None:
            return True
        if self.sent_at is None or self.is_open or not all(t.is_over for t in self.turns.values()):
            return False
        if self.nothing_heard:
            return True
        settled = self.last_word_at is None or now - self.last_word_at >= SETTLE_S
        return bool(self.answers) and settled

    @property
    def has_sign_of_speech(self) -> bool:
        """Whether the server noticed that somebody speaks."""
        return self.is_open or bool(self.answers)

    @property
    def answers(self) -> list[TurnInProgress]:
        """The turns that answer the caller, in their order: greetings and prompts do not."""
        turns = (self.turns[number] for number in sorted(self.turns))
        return [turn for turn in turns if not turn.is_unasked]

    def heard(self, session_id: str) -> TurnHeard:
        """Sum it up."""
        turns = self.answers
        last = turns[-1] if turns else TurnInProgress()
        audible_at = last.audible_at()
        response_ms = None
        if (
            self.last_word_at is not None
            and audible_at is not None
            and audible_at >= self.last_word_at
        ):
            response_ms = 1000 * (audible_at - self.last_word_at)
        rate_hz = next((turn.rate_hz for turn in turns if turn.rate_hz), 0)
        audio = b"".join(bytes(turn.audio) for turn in turns)
        return TurnHeard(
            transcript=" ".join(turn.text for turn in turns if turn.text),
            reply=" ".join(turn.reply.strip() for turn in turns if turn.reply),
            audio=audio,
            rate_hz=rate_hz,
            audio_seconds=len(audio) / 2 / rate_hz if rate_hz else 0.0,
            arrivals=_joined(turns),
            response_ms=response_ms,
            server_response_ms=last.latency.get("response_ms"),
            server_stages=msgspec.convert(tuple(last.latency.get("stages", ())), tuple[Stage, ...]),
            errors=tuple(self.errors),
            send_lag_ms_max=1000 * self.send_lag_s,
            turns=len(turns),
            session_id=session_id,
            synthetic=self.synthetic,
        )


def _joined(turns: list[TurnInProgress]) -> tuple[tuple[int, float], ...]:
    """Return when the audio of turns came that is put one behind the other."""
    found: list[tuple[int, float]] = []
    before = 0
    for turn in turns:
        length, size_before = len(turn.audio), 0
        for size, at in turn.arrivals:
            if size_before < length:  # of what was flushed, a part may have been played
                found.append((before + min(size, length), at))
            size_before = size
        before += length
    return tuple(found)


def _is_unasked(message: Message) -> bool:
    """Say whether the assistant speaks by itself; an answer that it knows is an answer."""
    return "said" in message and not message.get("text")


def error_of(code: str, message: str) -> VoicebusError:
    """Return the error of :mod:`voicebus.errors` that has the code of an error message."""
    for kind in _kinds(VoicebusError):
        if kind.code == code and kind is not ProtocolError:
            return kind(message)
    return ProtocolError(message, reason=code)


def _kinds(root: type[VoicebusError]) -> Iterator[type[VoicebusError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)
