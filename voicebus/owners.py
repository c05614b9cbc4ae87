"""Who owns a claim is said by epochs: what an outdated worker still says is known by its own. Pure.

The store refuses its writes; what it publishes live is for the receivers to drop.
"""

from __future__ import annotations

from typing import Final

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone, TokenDelta
from schemas.stt import (
    AudioConsumed,
    SilenceHeard,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tool import CallsAsked
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

_OF_SESSION: Final[dict[type[Event], str]] = {
    SpeechStarted: "stt",
    SpeechPaused: "stt",
    SpeechResumed: "stt",
    TranscriptPartial: "stt",
    TranscriptDraft: "stt",
    TranscriptFinal: "stt",
    AudioConsumed: "stt",
    SilenceHeard: "stt",
    TurnStarted: "turn",
    TurnEnded: "turn",
    TurnCancelled: "turn",
    ReplyPaused: "turn",
    ReplyResumed: "turn",
    NothingHeard: "turn",
    HangUp: "turn",
}
"""Stages whose claim lasts as long as the session."""

_OF_TURN: Final[dict[type[Event], str]] = {
    TokenDelta: "llm",
    ClauseReady: "llm",
    GenerationDone: "llm",
    ReplyChunk: "tts",
    ClauseSpoken: "tts",
    SpeechDone: "tts",
}
"""Stages with a claim for each attempt at a turn, and what edges hear of them. Attempts are claimed
in any order: the epoch of one says nothing about another."""

_ASIDE: Final[dict[type[Event], str]] = {CallsAsked: "llm"}
"""The same of what edges pass over."""

_TURN_STAGES: Final = frozenset(_OF_TURN.values())


class Owners:
    """Knows the newest owner of each claim of one session."""

    def __init__(self) -> None:
        self._epochs: dict[tuple[str, int, int], int] = {}

    def is_outdated(self, event: Event) -> bool:
        """Return whether its writer was replaced; else take note of the writer."""
        kind = type(event)
        if isinstance(event, Failure):
            of_turn = event.stage in _TURN_STAGES
            owner = (event.stage, *((event.turn, event.revision) if of_turn else (0, 0)))
        elif (stage := _OF_SESSION.get(kind)) is not None:
            owner = (stage, 0, 0)
        elif (stage := _OF_TURN.get(kind) or _ASIDE.get(kind)) is not None:
            owner = (stage, event.turn, event.revision)
        else:
            return False
        if not event.epoch:
            return False  # from one who owned nothing yet
        if event.epoch < self._epochs.get(owner, 0):
            return True
        self._epochs[owner] = event.epoch
        return False

    def forget(self, turn: int) -> None:
        """Turns up to this one are over: who owned them does not matter any more."""
        for owner in [owner for owner in self._epochs if 0 < owner[1] <= turn]:
            del self._epochs[owner]


def is_of_turn(event: Event) -> bool:
    """Whether its writer has a claim of its own for each attempt at a turn."""
    return type(event) in _OF_TURN
