"""Which trace each turn belongs to, as this process has heard or decided it. Pure.

A trace begins with what the caller says: the one who first tells others of it begins it (an edge
with a typed text, the recogniser with an utterance). The turn that answers it goes on with the
trace; a turn that answers nothing (a greeting) begins one of its own.
A file is one trace, however many passages it is recognised in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from msgspec import Struct

from schemas.event import Event
from schemas.llm import GenerateRequest
from schemas.session import AnswerAsked, KeysPressed, UserText
from schemas.stt import RecogniseRequest, TranscriptDraft, TranscriptFinal
from schemas.tool import ToolRequest
from schemas.tts import SpeakRequest
from schemas.turn import TurnStarted
from voicebus.tracing.context import TraceContext

KEPT: Final = 4096
"""Turns and utterances that are remembered; a turn is of a few minutes, and of few sessions."""

_UTTERANCES: Final = (TranscriptDraft, TranscriptFinal)
_CONTROLS: Final = (UserText, KeysPressed, AnswerAsked)
_OF_TURNS: Final = (GenerateRequest, ToolRequest, SpeakRequest, TurnStarted)

_GOES_ON: Final = (*_OF_TURNS, AnswerAsked)
"""What goes on with the trace of what was said before it, if nothing has answered that."""

CARRIERS: Final = frozenset((*_UTTERANCES, *_CONTROLS, *_OF_TURNS, RecogniseRequest))
"""Messages with whose heads a trace travels. Never those of audio, of which there are many."""

Key: TypeAlias = tuple[str, str, int, int]
"""Session, what it is, its number, and that of the attempt."""


class Entry(Struct, eq=False):
    """A trace.

    Fields
        context: It, and its root.
        begun_ns: When what it is about began, in ns since 1970.
        turn: The turn that goes on with it; 0 as long as none does.
        ours: Whether it was begun here.
        parent: Whose child its root is: the span of who called from outside.
    """

    context: TraceContext
    begun_ns: int
    turn: int = 0
    ours: bool = False
    parent: str = ""


def key_of(session: str, event: Event) -> Key:
    """Return by what a message's trace is known."""
    match event:
        case TranscriptDraft() | TranscriptFinal():
            return session, "utterance", event.utterance, 0
        case UserText() | KeysPressed() | AnswerAsked():
            return session, "control", event.seq, 0
        case RecogniseRequest():
            return session, "file", 0, 0
    return session, "turn", event.turn, event.revision


class Book:
    """The traces of one process's sessions.

    Args:
        begin: Begins a trace.
    """

    def __init__(self, begin: Callable[[], TraceContext]) -> None:
        self._begin = begin
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._origins: OrderedDict[str, Entry] = OrderedDict()
        self._callers: dict[str, TraceContext] = {}
        self._moved: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def heard(self, session: str, event: Event, context: TraceContext, now_ns: int) -> None:
        """A message came with a trace, or was found in the log of where its session was before."""
        session = self._moved.get(session, session)
        key = key_of(session, event)
        known = self._entries.get(key)
        if known is None or known.context != context:
            known = self._put(key, self._shared(session, context) or Entry(context, now_ns))
            if not isinstance(event, (*_OF_TURNS, RecogniseRequest)):
                self._origin(session, known)
        self._date(known, event, now_ns)
        if isinstance(event, _OF_TURNS):
            known.turn = event.turn

    def told(self, session: str, event: Event, now_ns: int) -> TraceContext:
        """Return the trace of a message that is published; it begins here if there is none."""
        key = key_of(session, event)
        entry = self._entries.get(key)
        if entry is None:
            origin = self._origins.get(session)
            is_free = origin is not None and origin.turn in (0, event.turn)
            if isinstance(event, _GOES_ON) and origin is not None and is_free:
                entry = self._put(key, origin)
            else:
                entry = self._put(key, self._begun(session, now_ns))
        self._date(entry, event, now_ns)
        if isinstance(event, _OF_TURNS):
            entry.turn = event.turn
        return entry.context

    def moved(self, former: str, session: str) -> None:
        """A session goes on under another name: its traces go on, too."""
        self._moved[former] = session
        if len(self._moved) > KEPT:
            self._moved.popitem(last=False)
        for key in [key for key in self._entries if key[0] == former]:
            self._put((session, *key[1:]), self._entries[key])
        if (origin := self._origins.get(former)) is not None:
            self._origin(session, origin)

    def of_file(self, session: str) -> Entry | None:
        """Return the trace of a session's file."""
        return self._entries.get((session, "file", 0, 0))

    def of_turn(self, session: str, turn: int, revision: int) -> Entry | None:
        """Return the trace of an attempt at a turn."""
        return self._entries.get((session, "turn", turn, revision))

    def of_utterance(self, session: str, utterance: int) -> Entry | None:
        """Return the trace of an utterance."""
        return self._entries.get((session, "utterance", utterance, 0))

    def called(self, session: str, caller: TraceContext) -> None:
        """Who opened a session has a trace of its own: what begins here belongs to it."""
        self._callers[session] = caller

    def close(self, session: str) -> Iterator[tuple[int, Entry]]:
        """Forget a session; yield those of its turns whose traces were begun here.

        A file is the turn 0.
        """
        self._origins.pop(session, None)
        self._callers.pop(session, None)
        for key in [key for key in self._entries if key[0] == session]:
            entry = self._entries.pop(key)
            if key[1] in ("turn", "file") and entry.ours:
                yield key[2], entry

    def _shared(self, session: str, context: TraceContext) -> Entry | None:
        """Return what is known already of the trace that a turn goes on with."""
        origin = self._origins.get(session)
        return origin if origin is not None and origin.context == context else None

    def _begun(self, session: str, now_ns: int) -> Entry:
        context = self._begin()
        caller = self._callers.get(session)
        if caller is None:
            return Entry(context, now_ns, ours=True)
        joined = TraceContext(caller.trace_id, context.span_id, caller.sampled)
        return Entry(joined, now_ns, ours=True, parent=caller.span_id)

    def _put(self, key: Key, entry: Entry) -> Entry:
        self._entries[key] = entry
        if len(self._entries) > KEPT:
            self._entries.popitem(last=False)
        return entry

    def _origin(self, session: str, entry: Entry) -> None:
        self._origins[session] = entry
        self._origins.move_to_end(session)
        if len(self._origins) > KEPT:
            self._origins.popitem(last=False)

    @staticmethod
    def _date(entry: Entry, event: Event, now_ns: int) -> None:
        """An utterance began when the caller did; its end alone is known by the clock."""
        if isinstance(event, TranscriptFinal):
            entry.begun_ns = now_ns - spoken_ns(event)


def spoken_ns(final: TranscriptFinal) -> int:
    """Return how long before its final an utterance began."""
    spoken_ms = final.end_ms - final.start_ms + final.hold_ms + final.compute_ms
    return int(max(0.0, spoken_ms) * 1e6)
