"""Functions of servers that somebody calls, and of those that nobody calls any more."""

from __future__ import annotations

import asyncio

import pytest

from schemas.claim import Presence
from schemas.codec import encode
from schemas.llm import Tool
from schemas.persona import Tools
from schemas.tool import ToolsKept
from services.turn import reach as module
from services.turn.functions import functions_of, house_of
from services.turn.reach import FORGOTTEN_S, Heard, Reach
from subjects.kept import tools_subject
from subjects.processes import presence_subject
from subjects.tokens import new_token
from tests.workers import bus_in
from voicebus.bus.client import Bus

TEA = Tools(allow=("time", "tea.stock", "gone.sell"))


def presence(*servers: str, role: str = "tool") -> Presence:
    """A worker's sign of life."""
    return Presence(role=role, worker="w", slots=1, busy=0, servers=servers)


async def live(bus: Bus, *servers: str) -> None:
    """Be heard once, as a worker that calls these servers."""
    await bus.announce(presence_subject(bus.cell, "tool", "w"), encode(presence(*servers)))
    await bus.flush()


def test_a_server_is_there_as_long_as_a_worker_speaks_of_it() -> None:
    """And for a while behind that: its worker may only be started anew."""
    heard = Heard()
    heard.take(presence("tea", "milk"), 0.0)
    heard.take(presence("milk", role="llm"), 50.0)
    heard.take(presence("tea"), 50.0)

    assert heard.among(("tea", "milk", "x"), 59.0) == {"tea", "milk"}
    assert heard.among(("tea", "milk", "x"), FORGOTTEN_S + 1.0) == {"tea"}
    assert heard.among(("tea",), 50.0 + FORGOTTEN_S) == frozenset()


async def test_the_model_is_told_of_functions_that_somebody_calls(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server had when it was last called is still in the bucket."""
    monkeypatch.setattr(module, "LISTEN_S", 0.5)
    async with bus_in(nats_server, new_token("c")) as bus:
        for server, name in (("tea", "stock"), ("gone", "sell")):
            kept = ToolsKept(tools=(Tool(name=name),))
            await bus.keep(kept, tools_subject(bus.cell, server), 0)
        reach = Reach()
        await reach.follow(bus)
        await bus.flush()
        await live(bus, "tea")
        found = await functions_of(bus, TEA, house_of(TEA, keeps=False), reach)
        await reach.close()

    assert set(found) == {"time", "tea_stock"}


async def test_the_first_session_of_a_worker_waits_for_the_first_sign_of_life(
    nats_server: str,
) -> None:
    """Nobody has told it yet who is there; once all is known, it waits no more."""
    async with bus_in(nats_server, new_token("c")) as bus:
        reach = Reach()
        await reach.follow(bus)
        asking = asyncio.create_task(reach.among(("tea",)))
        await asyncio.sleep(0.1)
        early = asking.done()
        await live(bus, "tea")
        async with asyncio.timeout(2):
            found = await asking
        await reach.close()

    assert not early
    assert found == {"tea"}
    assert await Reach().among(("tea",)) == frozenset()
