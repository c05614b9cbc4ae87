"""What may be heard and what not yet: answers that were begun before the turn was over. Pure.

A worker may answer a turn before it is certain that the caller has finished. All that it makes of
one attempt, which is a (turn, revision), waits here until the attempt is released by its
:class:`~schemas.turn.TurnStarted`, and is dropped when the attempt turns out to be for nothing.

::

    messages of an attempt ──> held ──TurnStarted of it──────────────────────────> let through
                                 └──TurnCancelled, or another attempt released──> dropped
"""

from __future__ import annotations

from typing import Final

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone, TokenDelta
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import ReplyPaused, ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from voicebus import metrics

LIMIT_BYTES: Final = 2 << 20
"""What one session may hold: more than half a minute of audio at 24 kHz."""

_EVENT_BYTES: Final = 200
"""Counted for a message besides its text or audio."""

_OF_A_TURN: Final = (
    TokenDelta,
    ClauseReady,
    GenerationDone,
    ReplyChunk,
    ClauseSpoken,
    SpeechDone,
    Failure,
)

Arrived = tuple[Event, float]
"""A message and when it came, in seconds of the owner's clock."""

Attempt = tuple[int, int]
"""Turn and revision."""


class Held:
    """Lets through what belongs to the turn that runs, for one session.

    Args:
        limit_bytes: How much may wait; beyond it the oldest attempt is dropped.

    Attributes:
        over: Nothing of the turns up to this one follows but their end.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._drafts: dict[Attempt, list[Arrived]] = {}
        self._bytes = 0
        self._lost: set[Attempt] = set()
        self._cancelled: dict[int, int] = {}  # turn: revision up to which it was cancelled
        self._released: Attempt = (0, -1)
        self._ended = 0
        self.over = 0

    def take(self, event: Event, at_s: float) -> list[Arrived]:
        """Take a message; return those that may be told now, in their order."""
        match event:
            case TurnStarted():
                return self._release(event, at_s)
            case TurnCancelled():
                return self._cancel(event, at_s)
            case TurnEnded():
                return self._end(event, at_s)
            case ReplyPaused() | ReplyResumed():
                runs = (event.turn, event.revision) == self._released and event.turn > self.over
                return [(event, at_s)] if runs else _nothing()
        is_sessions = isinstance(event, Failure) and not event.turn
        if is_sessions or not isinstance(event, _OF_A_TURN):
            return [(event, at_s)]
        return self._sort(event, at_s)

    def _sort(self, event: Event, at_s: float) -> list[Arrived]:
        attempt = (event.turn, event.revision)
        # Why a reply was cut short is told even after it was: nothing follows only its end.
        over = self._ended if isinstance(event, Failure) else self.over
        if event.turn <= over or attempt < self._released or attempt in self._lost:
            return _nothing()
        if attempt == self._released:
            return [(event, at_s)]
        if event.revision <= self._cancelled.get(event.turn, -1):
            return _nothing()
        self._drafts.setdefault(attempt, []).append((event, at_s))
        self._bytes += _size(event)
        while self._bytes > self._limit_bytes:
            oldest = next(iter(self._drafts))
            self._drop(oldest)
            self._lost.add(oldest)
            metrics.HELD_DROPPED.inc()
        return []

    def _release(self, started: TurnStarted, at_s: float) -> list[Arrived]:
        attempt = (started.turn, started.revision)
        is_cancelled = started.revision <= self._cancelled.get(started.turn, -1)
        if started.turn <= self.over or attempt <= self._released or is_cancelled:
            return _nothing()
        self._released = attempt
        self.over = max(self.over, started.turn - 1)
        released: list[Arrived] = [(started, at_s), *self._drafts.get(attempt, [])]
        if attempt in self._lost:
            released.append((_too_much(started), at_s))
        self._forget(started.turn, keep=attempt)
        return released

    def _cancel(self, cancelled: TurnCancelled, at_s: float) -> list[Arrived]:
        turn, revision = cancelled.turn, cancelled.revision
        if turn <= self.over:
            return _nothing()
        if turn == self._released[0]:
            if revision < self._released[1]:
                return _nothing()
            self.over = turn
            self._forget(turn)
            return [(cancelled, at_s)]
        self._cancelled[turn] = max(revision, self._cancelled.get(turn, -1))
        for attempt in [a for a in self._drafts if a[0] == turn and a[1] <= revision]:
            self._drop(attempt)
        return []

    def _end(self, ended: TurnEnded, at_s: float) -> list[Arrived]:
        if not self._ended < ended.turn <= self._released[0]:
            return _nothing()
        self._ended = ended.turn
        self.over = max(self.over, ended.turn)
        self._forget(ended.turn)
        return [(ended, at_s)]

    def _forget(self, turn: int, keep: Attempt | None = None) -> None:
        """Drop what was held for turns up to this one; what was lost of ``keep`` stays lost."""
        for attempt in [attempt for attempt in self._drafts if attempt[0] <= turn]:
            self._drop(attempt)
        self._lost = {lost for lost in self._lost if lost[0] > turn or lost == keep}
        self._cancelled = {t: r for t, r in self._cancelled.items() if t > turn}

    def _drop(self, attempt: Attempt) -> None:
        self._bytes -= sum(_size(event) for event, _ in self._drafts.pop(attempt))


def _nothing() -> list[Arrived]:
    metrics.STALE_DROPPED.inc()
    return []


def _size(event: Event) -> int:
    match event:
        case ReplyChunk():
            return _EVENT_BYTES + len(event.pcm)
        case TokenDelta() | ClauseReady() | GenerationDone() | ClauseSpoken():
            return _EVENT_BYTES + len(event.text)
    return _EVENT_BYTES


def _too_much(started: TurnStarted) -> Failure:
    return Failure(
        stage="edge",
        code="engine_overloaded",
        message="the answer was longer than what can be kept until you have finished",
        retryable=True,
        turn=started.turn,
        revision=started.revision,
    )
