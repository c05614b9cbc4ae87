"""Replies that are read, and not spoken: no clauses, and nothing that was read is taken back."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec
import pytest

from schemas.llm import GenerateRequest, Tool, ToolCall
from services.llm.engine import Piece
from services.llm.engines.synthetic import SyntheticEngine
from tests.services.llm.test_continuing import FAST, REPLY, broken_off, take_over
from tests.services.llm.test_worker import REQUEST, turn_at
from voicebus.errors import EngineError

READ = msgspec.structs.replace(REQUEST, spoken=False)
CALLING = msgspec.structs.replace(READ, tools=(Tool(name="look"),), tool_choice="required")


class Silent(SyntheticEngine):
    """Uses its tokens up for nothing."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """End at the bound."""
        yield Piece(text="", finish_reason="length", tokens=3)


class Faltering(SyntheticEngine):
    """Is lost in the middle of a call."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Begin a call."""
        yield Piece(text="", tool_calls=(ToolCall(id="c", name="look", arguments="{"),))
        raise EngineError("The language model broke off.")


async def test_a_reply_that_is_read_has_no_clauses(nats_server: str) -> None:
    """But for the last one, by which a worker that takes over knows that it was complete."""
    async with turn_at(nats_server) as turn:
        await turn.answer(SyntheticEngine(FAST), READ)

    assert "".join(delta.text for delta in turn.deltas()) == REPLY
    assert [(clause.text, clause.last) for clause in turn.clauses()] == [("", True)]


async def test_a_reply_that_is_read_may_be_empty(nats_server: str) -> None:
    """A caller would hear nothing, and is told that it failed; a reader sees why."""
    async with turn_at(nats_server) as turn:
        await turn.answer(Silent(FAST), READ)

    (done,) = turn.done()
    assert (done.text, done.finish_reason, done.tokens) == ("", "length", 3)


async def test_a_call_is_told_in_its_pieces(nats_server: str) -> None:
    """In the order in which they were written, with the reason at the end."""
    async with turn_at(nats_server) as turn:
        await turn.answer(SyntheticEngine(FAST), CALLING)

    pieces = [call for delta in turn.deltas() for call in delta.tool_calls]
    (done,) = turn.done()
    assert [(call.name, call.arguments) for call in pieces] == [("look", "{"), ("", "}")]
    assert (done.finish_reason, done.tokens) == ("tool_calls", 2)


async def test_a_reply_that_is_read_goes_on_on_another_worker(nats_server: str) -> None:
    """As one that is spoken does."""
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 5, request=READ)
        await take_over(turn, SyntheticEngine(FAST), READ)

    (done,) = turn.done()
    assert "".join(delta.text for delta in turn.deltas()) == done.text == REPLY


async def test_words_that_were_read_are_not_replaced(nats_server: str) -> None:
    """A model that cannot go on, and says something else, ends the reply: it is told as cut."""
    other = msgspec.structs.replace(FAST, continues=False, reply="Something else altogether.")
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 5, request=READ)
        await take_over(turn, SyntheticEngine(other), READ)

    (done,) = turn.done()
    assert done.finish_reason == "cut"
    assert "Something" not in "".join(delta.text for delta in turn.deltas())


@pytest.mark.parametrize("continues", [True, False])
async def test_a_call_that_was_begun_is_not_gone_on_with(nats_server: str, continues: bool) -> None:
    """No model can be given the half of one."""
    other = SyntheticEngine(msgspec.structs.replace(FAST, continues=continues))
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 0, Faltering(FAST), CALLING)
        await take_over(turn, other, CALLING)

    (done,) = turn.done()
    assert done.finish_reason == "cut"
    assert len([call for delta in turn.deltas() for call in delta.tool_calls]) == 1
