"""A model that is to go on with what another one has begun, and has a function called instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import ClauseReady, GenerationDone, Round, TokenDelta, ToolCall
from schemas.tool import CallsAsked
from services.llm.providers import alone
from services.llm.worker import answer
from tests.services.llm.asking import asking
from tests.services.llm.test_begun_anew import read
from tests.services.llm.test_continuing import broken_off
from tests.services.llm.test_openai_tools import LOOK, call_event
from tests.services.llm.test_rounds_taken_over import stored
from tests.services.llm.test_worker import REQUEST, Turn, turn_at
from tests.services.llm.upstream import event, replying, text_event
from tests.workers import claim_on

BEGUN = "Well, the"
"""What is only read of the first one's reply when it breaks off."""

ASKED = replace(REQUEST, tools=(LOOK,), round=Round())
LOOKING: dict[str, Any] = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{"}}
CALLING = (
    call_event(**LOOKING),
    call_event(index=0, function={"arguments": "}"}),
    call_event("tool_calls"),
)
CALLED = (ToolCall(id="c1", name="look", arguments="{}"),)


def both(text: str) -> bytes:
    """A chunk with words and the beginning of a call."""
    delta = {"content": text, "tool_calls": [LOOKING]}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


@asynccontextmanager
async def taken_over(url: str, *events: bytes, **changes: Any) -> AsyncIterator[Turn]:
    """A turn whose worker is lost behind two words; an upstream says ``events`` to the next one."""
    async with asking(replying(*events), **changes) as (engine, _), turn_at(url) as turn:
        await broken_off(turn, 2, request=ASKED)
        claim = await claim_on(turn.bus, turn.place, "llm", ASKED, attempt=2)
        await asyncio.wait_for(answer(claim, alone(engine)), 60)
        await turn.bus.flush()
        yield turn


async def published(turn: Turn, kind: type[Event]) -> list[Any]:
    """What the log has of a kind."""
    return list(await stored(turn, kind))


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (CALLING, ""),
        ((text_event("We"), *CALLING), "We"),
        ((both("Well,"), *CALLING[1:]), "Well,"),
    ],
)
async def test_a_reply_that_begins_anew_with_a_call_makes_it(
    nats_server: str, events: tuple[bytes, ...], words: str
) -> None:
    """Readers drop what the first one said, also where nothing is said in its place."""
    async with taken_over(nats_server, *events) as turn:
        deltas = await published(turn, TokenDelta)
        (asked,) = await published(turn, CallsAsked)
        done = await published(turn, GenerationDone)

    begins = [delta.anew for delta in deltas].index(True)
    assert read(deltas[:begins]).strip() == BEGUN
    assert read(deltas) == asked.text == words
    assert not any(delta.anew for delta in deltas[begins + 1 :])
    assert [delta.seq for delta in deltas] == list(range(asked.deltas))
    assert (asked.calls, done) == (CALLED, [])


@pytest.mark.parametrize(
    ("events", "changes"),
    [
        ((both(BEGUN), *CALLING[1:]), {}),
        (CALLING, {"prefill": True}),
    ],
)
async def test_a_call_behind_the_words_that_are_known_is_made(
    nats_server: str, events: tuple[bytes, ...], changes: dict[str, Any]
) -> None:
    """Whether the model says them again or goes on behind them, nothing is taken back."""
    async with taken_over(nats_server, *events, **changes) as turn:
        deltas = await published(turn, TokenDelta)
        (asked,) = await published(turn, CallsAsked)

    assert read(deltas).strip() == asked.text == BEGUN
    assert not any(delta.anew for delta in deltas)
    assert asked.calls == CALLED


async def test_a_reply_that_begins_anew_without_a_word_takes_the_former_ones_back(
    nats_server: str,
) -> None:
    """What readers have is what the end says, whatever the model does."""
    async with taken_over(nats_server, text_event("", "stop")) as turn:
        deltas = await published(turn, TokenDelta)
        clauses = await published(turn, ClauseReady)
        (done,) = await published(turn, GenerationDone)

    assert read(deltas[:-1]).strip() == BEGUN
    assert read(deltas) == done.text == ""
    assert [(clause.text, clause.last) for clause in clauses] == [("", True)]
