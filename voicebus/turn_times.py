"""Where the time of a past turn went, read off the log. Pure.

All times are those at which the store took a message, by its clock: what the edge added before and
behind is not in the log, and in a cluster two streams may be led by servers whose clocks differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct

from schemas.audio import CALLER_RATE_HZ, AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone, TokenDelta
from schemas.session import KeysPressed, UserText
from schemas.stt import TranscriptFinal
from schemas.tts import ReplyChunk, SpeechDone
from schemas.turn import ReplyPaused, ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from voicebus.bus.replay import Recorded
from voicebus.tracing.context import parse

Log: TypeAlias = Sequence[tuple[Recorded, Event]]
"""A session's messages, oldest first."""

E = TypeVar("E", bound=Event)

_NS_PER_MS: Final = 1_000_000


class Bar(Struct, frozen=True):
    """What one stage did, in ms since the caller's last speech sample.

    Fields
        name: ``hold``, ``stt``, ``turn``, ``llm``, ``tts`` or ``heard``.
        start_ms: When it began.
        ready_ms: When what the next stage waits for was there.
        end_ms: When it had done all.
    """

    name: str
    start_ms: float
    ready_ms: float
    end_ms: float


class Mark(Struct, frozen=True):
    """Something that happened.

    Fields
        at_ms: When.
        what: In a few words.
    """

    at_ms: float
    what: str


class PastTurn(Struct, frozen=True, kw_only=True):
    """A turn that was.

    Fields
        turn: Its number.
        revision: Which attempt at it was heard.
        outcome: How it ended; empty where the log does not say.
        asked: The caller's words.
        reply: The words that were heard in return.
        trace_id: Its trace, where it was traced.
        response_ms: From the caller's last speech sample to the first audio of the reply; None
            where there is none.
        bars: Its stages.
        marks: What else happened.
    """

    turn: int
    revision: int
    outcome: str
    asked: str
    reply: str
    trace_id: str
    response_ms: float | None
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]


def past_turns(log: Log) -> list[PastTurn]:
    """Return the turns of a session, in their order."""
    # Of a turn that was told twice, the second time counts: an attempt replaces the ones before.
    started = {e.turn: (message, e) for message, e in log if isinstance(e, TurnStarted)}
    return [_Turn(log, message, event).told() for message, event in started.values()]


class _Turn:
    """One turn's messages."""

    def __init__(self, log: Log, message: Recorded, started: TurnStarted) -> None:
        self._log = log
        self._message = message
        self._started = started
        self._own = [
            (message.stored_ns, event)
            for message, event in log
            if (event.turn, event.revision) == (started.turn, started.revision)
        ]
        self._final = self._found_final()
        self._zero_ns = self._begin_ns()

    def told(self) -> PastTurn:
        """Return what is known of it."""
        started = self._started
        ended = next((event for _, event in self._own_of(TurnEnded)), None)
        context = parse(self._message.trace)
        sound = self._first(ReplyChunk)
        response_ms = None if sound is None else max(sound, self._ms(self._message.stored_ns))
        return PastTurn(
            turn=started.turn,
            revision=started.revision,
            outcome="" if ended is None else ended.outcome,
            asked=started.text,
            reply=started.said if ended is None else ended.reply,
            trace_id="" if context is None else context.trace_id,
            response_ms=response_ms,
            bars=tuple(self._bars()),
            marks=tuple(sorted(self._marks(), key=lambda mark: mark.at_ms)),
        )

    def _found_final(self) -> tuple[int, TranscriptFinal] | None:
        if self._started.speech_end_ms < 0:
            return None
        for message, event in self._log:
            if isinstance(event, TranscriptFinal) and event.end_ms == self._started.speech_end_ms:
                return message.stored_ns, event
        return None

    def _begin_ns(self) -> int:
        """When the caller's last speech sample, or the typed text, came to the bus."""
        started = self._started
        if started.typed:
            for message, event in self._log:
                if isinstance(event, UserText | KeysPressed) and event.seq == started.control:
                    return message.stored_ns
        last = started.speech_end_ms * CALLER_RATE_HZ // 1000
        for message, event in self._log:
            if isinstance(event, AudioChunk) and event.offset + len(event.pcm) // 2 >= last >= 0:
                return message.stored_ns
        if self._final is not None:
            stored_ns, final = self._final
            return stored_ns - int((final.hold_ms + final.compute_ms) * _NS_PER_MS)
        return self._message.stored_ns

    def _bars(self) -> Iterator[Bar]:
        started_ms = self._ms(self._message.stored_ns)
        if self._final is not None:
            final_ms = self._ms(self._final[0])
            decided_ms = max(0.0, final_ms - self._final[1].compute_ms)
            yield Bar("hold", 0.0, decided_ms, decided_ms)
            yield Bar("stt", decided_ms, final_ms, final_ms)
            yield Bar("turn", min(final_ms, started_ms), started_ms, started_ms)
        clause, sound = self._first(ClauseReady), self._first(ReplyChunk)
        llm, tts = self._claimed("llm"), self._claimed("tts")
        if llm is not None:
            first = clause if clause is not None else self._first(TokenDelta)
            yield from _bar("llm", llm, first, self._last(GenerationDone))
        if tts is not None:
            begin = tts if clause is None else max(tts, clause)
            yield from _bar("tts", begin, sound, self._last(SpeechDone))
        over = self._last(TurnEnded)
        if sound is not None and over is not None:
            heard = max(sound, started_ms)
            yield Bar("heard", heard, heard, max(heard, over))

    def _marks(self) -> Iterator[Mark]:
        if self._final is not None:
            yield Mark(0.0, "last speech sample")
        yield Mark(self._ms(self._message.stored_ns), "the turn begins")
        for what, at in (
            ("first words", self._first(TokenDelta)),
            ("first clause", self._first(ClauseReady)),
            ("first audio", self._first(ReplyChunk)),
        ):
            if at is not None:
                yield Mark(at, what)
        yield from self._facts()
        for message, event in self._log:
            if isinstance(event, TurnCancelled) and event.turn == self._started.turn:
                is_ours = event.revision >= self._started.revision
                what = "cancelled" if is_ours else f"attempt {event.revision} dropped"
                yield Mark(self._ms(message.stored_ns), what)

    def _facts(self) -> Iterator[Mark]:
        for stored_ns, event in self._own:
            match event:
                case Claimed() if event.delivery > 1:
                    what = f"{event.role} taken over by {event.worker}"
                case Failure():
                    what = f"{event.stage} failed: {event.code}"
                case ReplyPaused():
                    what = "paused: the caller speaks"
                case ReplyResumed():
                    what = "resumed: no interruption"
                case GenerationDone():
                    what = f"{event.tokens} tokens in {event.duration_ms:.0f} ms, {event.model}"
                case SpeechDone():
                    what = f"{event.samples / event.rate_hz:.2f} s of audio made"
                case TurnEnded() if event.heard_ms >= 0:
                    what = f"{event.outcome}, {event.heard_ms / 1000:.2f} s heard"
                case TurnEnded():
                    what = event.outcome
                case _:
                    continue
            yield Mark(self._ms(stored_ns), what)

    def _own_of(self, kind: type[E]) -> Iterator[tuple[int, E]]:
        for stored_ns, event in self._own:
            if isinstance(event, kind):
                yield stored_ns, event

    def _first(self, kind: type[Event]) -> float | None:
        return next((self._ms(stored_ns) for stored_ns, _ in self._own_of(kind)), None)

    def _last(self, kind: type[Event]) -> float | None:
        found = [self._ms(stored_ns) for stored_ns, _ in self._own_of(kind)]
        return found[-1] if found else None

    def _claimed(self, role: str) -> float | None:
        claims = (at for at, event in self._own_of(Claimed) if event.role == role)
        return next((self._ms(stored_ns) for stored_ns in claims), None)

    def _ms(self, stored_ns: int) -> float:
        return round((stored_ns - self._zero_ns) / _NS_PER_MS, 2)


def _bar(name: str, start: float, ready: float | None, end: float | None) -> Iterator[Bar]:
    known = [moment for moment in (ready, end) if moment is not None]
    if known:
        first = max(start, min(known) if ready is None else ready)
        yield Bar(name, start, first, max(first, *known))
