"""What workers say to a session, in order and once. Pure.

What a worker says that was replaced is dropped, and what was here before. A connection delivers in
order and without gaps; only one that broke lets something be missing, and what was lost is said
again, behind what is newer. So for a while after the bus was away, what comes too early waits.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta
from schemas.stt import TranscriptFinal
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import (
    HangUp,
    NothingHeard,
    ReplyPaused,
    ReplyResumed,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from voicebus import metrics
from voicebus.owners import Owners, is_of_turn

_PLACES: Final[dict[type[Event], int]] = {
    TurnStarted: 0,
    ReplyPaused: 1,
    ReplyResumed: 1,
    TurnEnded: 2,
}
"""What the leader says of a turn, and what comes before what."""


class Order:
    """Puts the messages of one session in order.

    Args:
        speaks: Whether answers are spoken; others are written.
        over: Number of the last turn that is over already.
    """

    def __init__(self, *, speaks: bool = True, over: int = 0) -> None:
        self._speaks = speaks
        self._said: set[int] = set()
        self._attempts: defaultdict[tuple[int, int], _Attempt] = defaultdict(_Attempt)
        self._led: list[Event] = []
        self._begun = self._over = max(0, over)
        self._farewell: list[Event] = []
        self._seen: set[tuple[object, ...]] = set()
        self._owners = Owners()
        self._is_doubtful = False

    def doubt(self) -> None:
        """Something may be missing from here on; it will be said again."""
        self._is_doubtful = True

    def trust(self) -> list[Event]:
        """Nothing that is missing will come any more; return what has waited for it."""
        self._is_doubtful = False
        released: list[Event] = []
        for (turn, revision), attempt in sorted(self._attempts.items()):
            if attempt.waiting:
                metrics.EDGE_LOST.inc()
                released += (*attempt.give_up(), _lost(turn, revision))
        while self._led:
            event = self._led.pop(0)
            if isinstance(event, TurnEnded) and self._misses(event):
                metrics.EDGE_LOST.inc()
                released.append(_lost(*_attempt(event)))
            released += self._lead(event)
        farewell, self._farewell = self._farewell, []
        return [*released, *farewell]

    def take(self, event: Event) -> list[Event]:
        """Take a message; return what is in order now. What was here before is left out."""
        if self._is_outdated(event) or self._is_known(event):
            metrics.STALE_DROPPED.inc()
            return []
        if isinstance(event, TurnCancelled):
            return self._cancel(event)
        if isinstance(event, HangUp) and self._is_doubtful:
            self._farewell.append(event)  # what is to be heard before may be missing
            return []
        if type(event) in _PLACES:
            self._led.append(event)
            self._led.sort(key=_place)
            return self._released()
        if is_of_turn(event):
            return self._take_made(event)
        if isinstance(event, Failure) and event.turn > self._over:
            self._attempts[_attempt(event)].is_given_up = True
        return [event, *self._released()]

    def _take_made(self, event: Event) -> list[Event]:
        attempt = self._attempts[_attempt(event)] if event.turn > self._over else None
        if attempt is None or attempt.has(event):
            metrics.STALE_DROPPED.inc()
            return []
        if self._is_doubtful and attempt.is_early(event):
            attempt.waiting.append(event)
            return []
        attempt.note(event)
        return [event, *attempt.ready(), *self._released()]

    def _is_outdated(self, event: Event) -> bool:
        if not self._owners.is_outdated(event):
            return False
        # It may have been said before its owner was replaced, and be missing.
        if not self._is_doubtful:
            return True
        if isinstance(event, TurnStarted):
            return not any(waiting.turn >= event.turn for waiting in self._led)
        is_missing = is_of_turn(event) and self._attempts[_attempt(event)].misses(event)
        return not (is_missing or isinstance(event, TranscriptFinal))

    def _is_known(self, event: Event) -> bool:
        if type(event) in _PLACES:
            return event.turn <= self._over
        match event:
            case TranscriptFinal():
                number: tuple[object, ...] = (TranscriptFinal, event.utterance)
            case Failure():
                number = (Failure, event.stage, event.epoch, event.seq, *_attempt(event))
            case NothingHeard():
                number = (NothingHeard, event.end_offset)
            case HangUp():
                number = (HangUp, event.epoch)
            case _:
                return False
        is_known = number in self._seen
        self._seen.add(number)
        return is_known

    def _cancel(self, cancelled: TurnCancelled) -> list[Event]:
        for (turn, revision), attempt in self._attempts.items():
            if turn == cancelled.turn and revision <= cancelled.revision:
                attempt.waiting.clear()
        if cancelled.turn > self._over:
            self._attempts[_attempt(cancelled)].is_given_up = True
        return [*self._released(TurnStarted), cancelled, *self._released()]

    def _released(self, *only: type[Event]) -> list[Event]:
        ready: list[Event] = []
        while self._led and (not only or isinstance(self._led[0], only)):
            event = self._led[0]
            if self._is_doubtful and self._misses(event):
                break
            ready += self._lead(self._led.pop(0))
        return ready

    def _misses(self, event: Event) -> bool:
        """Whether something is missing before what the leader says."""
        if isinstance(event, TurnStarted):
            return event.turn > self._over + 1
        if event.turn > self._begun:
            return True
        ends: set[type[Event]] = {SpeechDone} if self._speaks else set()
        if event.turn not in self._said:
            ends.add(GenerationDone)
        if not isinstance(event, TurnEnded) or event.elsewhere:
            return False
        attempts = (a for (turn, _), a in self._attempts.items() if turn == event.turn)
        return not any(attempt.is_over(ends) for attempt in attempts)

    def _lead(self, event: Event) -> list[Event]:
        if isinstance(event, TurnStarted):
            self._begun = max(self._begun, event.turn)
            if event.said:
                self._said.add(event.turn)
        if isinstance(event, TurnEnded) and event.turn <= self._begun:
            self._over = max(self._over, event.turn)
            self._owners.forget(self._over)
            for number in [number for number in self._attempts if number[0] <= self._over]:
                del self._attempts[number]
        return [event]


class _Attempt:
    """How far an attempt at a turn is, and what came of it too early."""

    def __init__(self) -> None:
        self.waiting: list[Event] = []
        self.is_given_up = False
        self._next: dict[type[Event], int] = {}
        self._samples = 0
        self._spoken = 0
        self._characters = 0

    def is_over(self, ends: set[type[Event]]) -> bool:
        """Whether it has come to all of its ends, and nothing is missing before them."""
        return self.is_given_up or (ends <= self._next.keys() and not self.waiting)

    def has(self, event: Event) -> bool:
        return event.seq < self._next.get(type(event), 0)

    def misses(self, event: Event) -> bool:
        """Whether it is among what is missing before what has waited."""
        later = [e.seq for e in self.waiting if type(e) is type(event)]
        return not self.has(event) and event.seq < min(later, default=0)

    def is_early(self, event: Event) -> bool:
        match event:
            case SpeechDone():
                return event.samples > min(self._samples, self._spoken)
            case GenerationDone():
                return len(event.text) > self._characters
        return event.seq > self._next.get(type(event), 0)

    def note(self, event: Event) -> None:
        self._next[type(event)] = event.seq + 1
        match event:
            case ReplyChunk():
                self._samples = event.offset + len(event.pcm) // 2
            case ClauseSpoken():
                self._spoken = event.end
            case TokenDelta():
                self._characters = len(event.text) + (0 if event.anew else self._characters)

    def ready(self) -> list[Event]:
        """Return what has waited and is in order now."""
        ready: list[Event] = []
        while (event := next((e for e in self.waiting if not self.is_early(e)), None)) is not None:
            self.waiting.remove(event)
            if not self.has(event):
                self.note(event)
                ready.append(event)
        return ready

    def give_up(self) -> list[Event]:
        """Return what has waited, without what is missing."""
        waiting, self.waiting, self.is_given_up = self.waiting, [], True
        return waiting


def _attempt(event: Event) -> tuple[int, int]:
    return event.turn, event.revision


def _place(led: Event) -> tuple[int, int]:
    return led.turn, _PLACES[type(led)]


def _lost(turn: int, revision: int) -> Failure:
    return Failure(
        stage="bus",
        code="bus_unavailable",
        message="a part of the answer was lost with the connection to the bus",
        retryable=True,
        turn=turn,
        revision=revision,
    )
