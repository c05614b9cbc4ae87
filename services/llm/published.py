"""What a lost worker had said of a reply: read from the log, once its epoch is closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from schemas.event import Event
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone, TokenDelta, ToolCall
from schemas.tool import CallsAsked
from services.llm.rounds import of_round
from voicebus.claim import Claim
from voicebus.origins import made, origins, tell_again


class Published(Struct, frozen=True, kw_only=True):
    """The part of a reply that readers and speakers have.

    Fields
        text: Its words, from where it was last begun anew.
        tokens: How many pieces the model had streamed for them.
        deltas: Number of :class:`~schemas.llm.TokenDelta`: ``seq`` of the next one.
        tool_calls: Pieces of calls: nobody can go on with those.
        clauses: Number of clauses that have words.
        is_complete: Whether the last clause was there: the model had come to its end.
        is_done: Whether the end was told: nothing is left to do.
    """

    text: str = ""
    tokens: int = 0
    deltas: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    clauses: int = 0
    is_complete: bool = False
    is_done: bool = False


NOTHING = Published()


async def read_published(claim: Claim) -> Published:
    """Read what was published for the claim's turn and revision, by whatever worker.

    Every write of these is fenced by the claim, so once ours is written, none follows.

    Raises:
        BusError: The log cannot be read.
    """
    here = await claim.history()
    request = claim.request
    part = request.round if isinstance(request, GenerateRequest) else None
    return gathered(of_round([*await _told_again(claim, here), *here], part), request)


async def _told_again(claim: Claim, here: list[Event]) -> list[Event]:
    """Tell at this edge what was written at another one, and return it."""
    if not (isinstance(claim.request, GenerateRequest) and claim.request.resumed):
        return []
    former = await origins(claim.bus, claim.place, awaited=True)
    there = await made(claim, former, TokenDelta, ClauseReady, CallsAsked, GenerationDone)
    await tell_again(claim, there, here)
    return there


def gathered(events: Iterable[Event], ours: Event) -> Published:
    """Put together what belongs to the attempt of ``ours``, up to the first gap in ``seq``."""
    deltas: dict[int, TokenDelta] = {}
    clauses: dict[int, ClauseReady] = {}
    is_done = False
    for event in events:
        if (event.turn, event.revision) != (ours.turn, ours.revision):
            continue
        match event:
            case TokenDelta():
                deltas.setdefault(event.seq, event)
            case ClauseReady():
                clauses.setdefault(event.seq, event)
            case GenerationDone():
                is_done = True
    told = [deltas[number] for number in range(_reached(deltas))]
    last = told[_begun(told) :]
    ready = [clauses[number] for number in range(_reached(clauses))]
    return Published(
        text="".join(delta.text for delta in last),
        tokens=sum(delta.tokens for delta in last),
        deltas=len(told),
        tool_calls=tuple(call for delta in last for call in delta.tool_calls),
        clauses=sum(bool(clause.text) for clause in ready),
        is_complete=any(clause.last for clause in ready),
        is_done=is_done,
    )


def _begun(told: Sequence[TokenDelta]) -> int:
    """Return where a reply begins: words before that were taken back."""
    return max((place for place, delta in enumerate(told) if delta.anew), default=0)


def _reached(numbered: Mapping[int, Event]) -> int:
    """Return the first number that is missing."""
    number = 0
    while number in numbered:
        number += 1
    return number
