"""The functions that a reply waits for: asked, ordered, and what came of them. Pure.

::

    words ──CallsAsked──> asked ──CallsBegun──> begun ──CallsEnded──> the model goes on
                            │   turn is heard     │    all results
                            └── a draft: nothing ─┴──too late, cancelled: told as such

What was ordered is in the log, or follows from it: a worker that takes over orders what is missing
and nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import ClauseReady, GenerationDone, Message, Round, Tool, ToolCall
from schemas.tool import (
    PICK_UP_S,
    CallsAsked,
    CallsBegun,
    CallsEnded,
    ToolDone,
    ToolRequest,
)
from schemas.turn import HangUp
from voicebus.outcomes import ERROR, failed, missing

GRACE_S: Final = PICK_UP_S + 1.0
"""Added to the time that a call may take: for a worker to be free, and the way back."""

_UNKNOWN: Final = failed("there is no such function")

_LATE: Final = "the function did not answer in time"
_CANCELLED: Final = "cancelled, the user interrupted"
_CUT: Final = "the connection was lost"
"""Why a call has no result."""


class Function(Struct, frozen=True, kw_only=True):
    """A function that the model may ask for.

    Fields
        tool: As the model is told of it.
        server: Which server has it; empty: the house.
        name: Its name there.
        timeout_s: How long a call may take.
        repeatable: Whether it may be called twice without harm.
    """

    tool: Tool
    server: str = ""
    name: str = ""
    timeout_s: float = 10.0
    repeatable: bool = False


Functions = Mapping[str, Function]
"""By the names that the model knows."""

House = Callable[[str, str], str]
"""Does what the house can do, from name and arguments; returns what the model is told."""

Ending = Callable[[str, str], HangUp | None]
"""Says how the session ends with a call, from name and arguments; None: it does not."""


class Calling:
    """The functions of one reply.

    Args:
        functions: What may be called.

    Attributes:
        round: Number of the round that runs.
        made: What the model is told of former rounds, behind the words that it answers.
        wishes: All calls that were begun.
    """

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self.round = Round()
        self.made: tuple[Message, ...] = ()
        self.wishes: tuple[ToolCall, ...] = ()
        self._asked: CallsAsked | None = None
        self._is_begun = False
        self._results: dict[int, str] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether results are waited for."""
        return self._asked is not None

    @property
    def said(self) -> tuple[Message, ...]:
        """All that was called and returned, for the history: what is cut short is told as such."""
        whole = (*self.made, *self._told(_CANCELLED))
        # What was said meanwhile stands in what was heard of the reply.
        return tuple(
            replace(message, content="") if message.role == "assistant" else message
            for message in whole
        )

    @property
    def within_s(self) -> float:
        """How long the calls may take that are waited for."""
        calls = () if self._asked is None else self._asked.calls
        found = (self._functions.get(call.name) for call in calls)
        return GRACE_S + max((one.timeout_s for one in found if one is not None), default=0.0)

    def take(self, event: Event) -> None:
        """Take in what is said of the calls, live or from the log.

        Words behind those of the round, as the reply's end, say that the next round was asked for.
        """
        match event:
            case CallsAsked() if event.seq == self.round.number + (self._asked is not None):
                self._go_on()
                self._asked = event
            case CallsBegun() if event.seq == self.round.number:
                self._begin()
            case CallsEnded() if event.seq == self.round.number:
                self._go_on()
            case ClauseReady() if self._asked is not None and event.seq >= self._asked.clauses:
                self._go_on()
            case GenerationDone():
                self._go_on()
            case ToolDone() if event.round == self.round.number:
                self._results.setdefault(event.seq, event.content)

    def begin(self, house: House) -> tuple[Event, ...]:
        """Return the jobs that are due, and what is done at once; none where they are begun.

        Args:
            house: Does what needs no server.
        """
        asked = self._asked
        if asked is None or self._is_begun:
            return ()
        jobs: list[Event] = []
        for place, call in enumerate(asked.calls):
            function = self._functions.get(call.name)
            if place in self._results:
                continue
            if function is not None and function.server:
                jobs.append(_job(function, call, self.round.number, place))
                continue
            told = _UNKNOWN if function is None else house(call.name, call.arguments)
            self._results[place] = told
            is_failed = told.startswith(ERROR)
            done = ToolDone(round=self.round.number, content=told, failed=is_failed, seq=place)
            jobs.append(done)
        self._begin()
        return (*jobs, CallsBegun(seq=self.round.number))

    def give_up(self) -> None:
        """What has no result by now is told as late."""
        self._miss(_LATE)

    def cut(self) -> tuple[Event, ...]:
        """The session goes on elsewhere: what was being called is given up, as :meth:`end` says.

        Its workers have let go of it, and what they may have done is told nobody.
        """
        if self._is_begun:
            self._miss(_CUT)
        return self.end()

    def end(self) -> tuple[Event, ...]:
        """Begin the next round, if all results are there; return what is said of it then."""
        asked = self._asked
        if asked is None or len(self._results) < len(asked.calls):
            return ()
        self._go_on()
        return (CallsEnded(seq=asked.seq),)

    def _begin(self) -> None:
        if self._asked is not None and not self._is_begun:
            self._is_begun = True
            self.wishes = (*self.wishes, *self._asked.calls)

    def _go_on(self) -> None:
        asked = self._asked
        if asked is not None:
            self._begin()  # nobody goes on from what was not
            self.made = (*self.made, *self._told(_LATE))
            self.round = Round(
                number=self.round.number + 1,
                deltas=asked.deltas,
                clauses=asked.clauses,
                text=f"{self.round.text} {asked.text}".strip(),
            )
        self._asked, self._is_begun, self._results = None, False, {}

    def _miss(self, reason: str) -> None:
        for place, call in enumerate(() if self._asked is None else self._asked.calls):
            self._results.setdefault(place, self._missing(call, reason))

    def _missing(self, call: ToolCall, reason: str) -> str:
        """Return what is told of a call without a result: of what was sent, nobody knows."""
        function = self._functions.get(call.name)
        is_safe = function is not None and (function.repeatable or not function.server)
        return missing(reason, repeatable=is_safe or not self._is_begun)

    def _told(self, reason: str) -> tuple[Message, ...]:
        """Return the wish and its results, as the model is told of them."""
        asked = self._asked
        if asked is None:
            return ()
        results = self._results
        told = (
            Message(
                role="tool",
                content=results.get(place, self._missing(call, reason)),
                tool_call_id=call.id,
            )
            for place, call in enumerate(asked.calls)
        )
        wish = Message(role="assistant", content=asked.text, tool_calls=asked.calls)
        return (wish, *told)


def _job(function: Function, call: ToolCall, number: int, place: int) -> ToolRequest:
    return ToolRequest(
        round=number,
        server=function.server,
        name=function.name,
        arguments=call.arguments,
        call=call.id,
        timeout_s=function.timeout_s,
        repeatable=function.repeatable,
        seq=place,
    )
