"""Which messages of a session were here before, by their numbers. Pure."""

from __future__ import annotations

import math
from typing import Final

from schemas.conversation import LinkAsked
from schemas.event import Event
from schemas.failure import Failure
from schemas.session import (
    AnswerAsked,
    CancelAsked,
    ClientLost,
    ClientReturned,
    ForgetAsked,
    KeysPressed,
    PlaybackEnded,
    TurnTakingSet,
    UserText,
)
from schemas.stt import (
    AudioConsumed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)

_EDGES: Final = (PlaybackEnded, ClientLost, ClientReturned, LinkAsked, ForgetAsked)
"""What an edge says of its own, and numbers itself."""

CONTROLS: Final = (UserText, KeysPressed, AnswerAsked, CancelAsked, TurnTakingSet, *_EDGES)
"""What clients and edges say."""


class Numbers:
    """Tells by its number whether a message was here before. For one session."""

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()
        self._utterance = 0
        self._heard_ms = 0
        self._asked = 0  # the number of what the client asked for last
        self._there = math.inf  # of what its edge said last of whether it is there: counts down

    def is_new(self, event: Event) -> bool:
        """Return whether a message was not here yet, and take note of it.

        Messages without a number, live ones and those that are taken twice without harm, are
        always new. But what was heard of an utterance is not when its final is here: that may have
        been read from the log, while what came before it was still waiting.
        """
        match event:
            case SpeechStarted():
                return event.start_ms >= self._heard_ms
            case SpeechPaused() | SpeechResumed() | TranscriptPartial() | TranscriptDraft():
                return event.utterance > self._utterance
            case TranscriptFinal():
                number: tuple[object, ...] = (TranscriptFinal, event.utterance)
                self._utterance = max(self._utterance, event.utterance)
                self._heard_ms = max(self._heard_ms, event.end_ms)
            case AudioConsumed():
                number = (AudioConsumed, event.end_offset)
            case Failure():
                attempt = (event.turn, event.revision)
                number = (Failure, event.stage, event.epoch, event.seq, attempt)
            case _ if isinstance(event, CONTROLS):
                if self._is_overtaken(event):
                    return False
                number = (type(event), event.seq)
            case _:
                return True
        is_new = number not in self._seen
        self._seen.add(number)
        return is_new

    def move(self) -> None:
        """The session goes on at another place: what is the edge's own is numbered anew there.

        What the client says is numbered by its frames, wherever it comes; an edge counts downwards.
        """
        self._seen = {number for number in self._seen if not _is_edges(number)}
        self._there = math.inf

    def _is_overtaken(self, event: Event) -> bool:
        """Whether it was said before something that is here already, and means nothing behind it.

        What is stored late is here late.
        """
        match event:
            case ClientLost() | ClientReturned():
                is_late = event.seq > self._there
                self._there = min(self._there, event.seq)
                return is_late
            case CancelAsked() if 0 < event.seq < self._asked:
                return True
            case UserText() | KeysPressed() | CancelAsked():
                self._asked = max(self._asked, event.seq)
        return False


def _is_edges(number: tuple[object, ...]) -> bool:
    kind, place = number[:2]
    return kind in CONTROLS and isinstance(place, int) and place < 0
