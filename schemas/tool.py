"""Functions that the language model asks for: the wish, the work, and its result."""

from __future__ import annotations

from typing import Final

from schemas.event import Event
from schemas.llm import Tool, ToolCall

PICK_UP_S: Final = 3.0
"""How long a call waits for a worker: one that is begun later would come too late for its reply."""


class CallsAsked(Event, frozen=True, kw_only=True, tag="tool.asked"):
    """The language model wants functions to be called: the reply goes on behind their results.

    Comes in the place of :class:`~schemas.llm.GenerationDone` where the request has a
    :class:`~schemas.llm.Round`. ``seq`` is the number of that round.

    Fields
        text: What the reply has said in this round.
        calls: The functions, each with an id of its own in this round.
        deltas: How many :class:`~schemas.llm.TokenDelta` the reply has by now.
        clauses: How many :class:`~schemas.llm.ClauseReady` with words.
    """

    text: str
    calls: tuple[ToolCall, ...]
    deltas: int = 0
    clauses: int = 0


class CallsBegun(Event, frozen=True, kw_only=True, tag="tool.begun"):
    """The jobs of a round's calls are published. ``seq`` is the number of the round."""


class CallsEnded(Event, frozen=True, kw_only=True, tag="tool.ended"):
    """What came of a round's calls was passed on: the language model is asked for the next round.

    ``seq`` is the number of the round that has ended.
    """


class ToolRequest(Event, frozen=True, kw_only=True, tag="tool.request"):
    """Job: call a function. ``seq`` is its place among the calls of its round.

    Fields
        round: Number of the round.
        server: Which server has it.
        name: Its name there.
        arguments: What to call it with: JSON as the model wrote it, which need not be valid.
        call: By what the model knows it.
        timeout_s: How long it may take.
        repeatable: Whether it may be called again where a worker was lost in the middle of it.
    """

    round: int
    server: str
    name: str
    arguments: str
    call: str
    timeout_s: float = 10.0
    repeatable: bool = False


class ToolDone(Event, frozen=True, kw_only=True, tag="tool.done"):
    """A function has been called, or cannot be. ``seq`` is its place among those of its round.

    Fields
        round: Number of the round.
        content: What it returned, or what is wrong, for the model to read.
        failed: Whether it could not do its work.
        ms: How long it took.
    """

    round: int
    content: str
    failed: bool = False
    ms: float = 0.0


class ToolsKept(Event, frozen=True, kw_only=True, tag="tool.kept"):
    """The functions of a server, as the workers that reach it know them.

    Fields
        tools: Those that may be called.
        repeatable: Names of those that may be called twice without harm.
        timeout_s: How long each may take.
    """

    tools: tuple[Tool, ...]
    repeatable: tuple[str, ...] = ()
    timeout_s: float = 10.0
