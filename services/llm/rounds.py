"""One part of a reply that waits for functions in between: numbered as a part of the whole.

Whoever writes the part, and whoever goes on with it, need not know: they count from 0. It ends with
:class:`~schemas.tool.CallsAsked` instead of the reply's end where the model wants functions to be
called; its calls are published as a whole, so that one that was broken off is asked for anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone, Round, TokenDelta, ToolCall
from schemas.tool import CallsAsked

if TYPE_CHECKING:
    from services.llm.published import Published


_CUT: Final = "cut"
"""Why a reply ends of which nobody could write the rest: of its calls the half may be missing."""


class Publisher(Protocol):
    """Publishes what is written of a reply."""

    async def publish(self, event: Event) -> None:
        """Publish a message."""


class Part:
    """Publishes one round of a reply.

    Args:
        publisher: Publishes the whole.
        number: Which round, and what there is of former ones.
        published: What there is of this one.
    """

    def __init__(self, publisher: Publisher, number: Round, published: Published) -> None:
        self._publisher = publisher
        self._round = number
        self._deltas = published.deltas
        self._clauses = published.clauses
        self._calls: dict[int, ToolCall] = {}
        self._end: ClauseReady | None = None

    async def publish(self, event: Event) -> None:
        """Publish what is a part of the reply as such, and everything else as it is."""
        match event:
            case TokenDelta():
                await self._write(event)
            case ClauseReady(text="", last=True):
                self._end = event  # what follows it is known with the end
            case ClauseReady():
                self._clauses = event.seq + 1
                await self._publisher.publish(self._numbered(event))
            case GenerationDone() if self._calls and event.finish_reason != _CUT:
                await self._publisher.publish(self._asked(event))
            case GenerationDone():
                if self._end is not None:
                    await self._publisher.publish(self._numbered(self._end))
                text = f"{self._round.text} {event.text}".strip()
                await self._publisher.publish(replace(event, text=text))
            case _:
                await self._publisher.publish(event)

    async def _write(self, delta: TokenDelta) -> None:
        for piece in delta.tool_calls:
            known = self._calls.get(piece.index, ToolCall(index=piece.index))
            self._calls[piece.index] = replace(
                known,
                id=known.id or piece.id,
                name=known.name or piece.name,
                arguments=known.arguments + piece.arguments,
            )
        if delta.text or delta.anew:
            seq, self._deltas = self._round.deltas + self._deltas, self._deltas + 1
            # What begins anew takes the place of all words: those of former rounds stay.
            text = _before(self._round) + delta.text if delta.anew else delta.text
            await self._publisher.publish(replace(delta, seq=seq, text=text, tool_calls=()))

    def _numbered(self, clause: ClauseReady) -> ClauseReady:
        return replace(clause, seq=self._round.clauses + clause.seq)

    def _asked(self, done: GenerationDone) -> CallsAsked:
        number = self._round.number
        calls = tuple(
            replace(call, index=place, id=call.id or f"call_{number}_{place}")
            for place, call in enumerate(self._calls[index] for index in sorted(self._calls))
        )
        return CallsAsked(
            text=done.text,
            calls=calls,
            deltas=self._round.deltas + self._deltas,
            clauses=self._round.clauses + self._clauses,
            turn=done.turn,
            revision=done.revision,
            seq=number,
        )


def part_of(publisher: Publisher, request: GenerateRequest, published: Published) -> Publisher:
    """Return who publishes what is written for a request."""
    number = request.round
    return publisher if number is None else Part(publisher, number, published)


def of_round(events: Iterable[Event], number: Round | None) -> Iterator[Event]:
    """Yield what belongs to one round, counted from 0; everything, where there are none."""
    for event in events:
        if number is None:
            yield event
            continue
        match event:
            case TokenDelta() if event.seq >= number.deltas:
                text = event.text.removeprefix(_before(number)) if event.anew else event.text
                yield replace(event, seq=event.seq - number.deltas, text=text)
            case ClauseReady() if event.seq >= number.clauses:
                yield replace(event, seq=event.seq - number.clauses)
            case CallsAsked() if event.seq == number.number:
                yield GenerationDone(text=event.text, turn=event.turn, revision=event.revision)
            case TokenDelta() | ClauseReady() | CallsAsked():
                continue
            case _:
                yield event


def _before(number: Round) -> str:
    """Return what a round's words stand behind."""
    return f"{number.text} " if number.text else ""
