"""A second provider that is asked besides a silent first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from schemas.llm import GenerateRequest
from services.llm.engine import Piece
from services.llm.providers import Provider, Providers
from services.llm.worker import answer
from tests.services.llm.providing import PATIENT_S, providing, saying
from tests.services.llm.test_asking import HALF, REPLY, answered, expect_said_once
from tests.services.llm.test_worker import REQUEST, Toy, turn_at
from tests.services.llm.upstream import Upstream, hanging, resetting
from tests.workers import claim_on, until


class Reluctant(Toy):
    """A model that says nothing, and lets whoever leaves it wait."""

    def __init__(self) -> None:
        super().__init__(tokens=0, pace_s=0.0)
        self.may_be_left = asyncio.Event()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Be silent."""
        try:
            await asyncio.sleep(60)
            yield Piece(text="", finish_reason="stop")
        finally:
            await self.may_be_left.wait()
            self.stopped.set()


async def test_a_silent_provider_has_a_second_one_asked_besides(nats_server: str) -> None:
    """Whoever speaks first is heard, the other one is left; that is no failure."""
    async with (
        providing(hanging(), saying(REPLY), hedge_after_s=0.05, patience_s=PATIENT_S) as (
            providers,
            (slow, _),
        ),
        turn_at(nats_server) as turn,
    ):
        done = await answered(turn, providers)
        await asyncio.wait_for(slow.left.wait(), 5)

    assert (done.provider, done.failovers) == ("b", 0)
    expect_said_once(turn, REPLY)


async def test_who_speaks_soon_has_nobody_asked_besides(nats_server: str) -> None:
    """Hedging costs only where somebody is slow."""
    async with (
        providing(saying(REPLY), saying("No."), hedge_after_s=5.0) as (providers, (_, second)),
        turn_at(nats_server) as turn,
    ):
        done = await answered(turn, providers)

    assert (done.provider, second.bodies) == ("a", [])


async def test_both_may_fail_while_both_are_asked(nats_server: str) -> None:
    """The third one gives the reply."""
    scripts = (hanging(), hanging(), saying(REPLY))
    async with (
        providing(*scripts, hedge_after_s=0.05) as (providers, _),
        turn_at(nats_server) as turn,
    ):
        done = await answered(turn, providers)

    assert (done.provider, done.failovers) == ("c", 2)
    expect_said_once(turn, REPLY)


async def test_who_was_slower_goes_on_when_the_faster_one_dies(nats_server: str) -> None:
    """It has done nothing wrong: a turn does not fail while there is somebody to ask."""

    async def slow(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        script = hanging() if len(upstream.bodies) == 1 else saying("sailed it.")
        await script(upstream, writer)

    async with (
        providing(slow, resetting(*HALF), hedge_after_s=0.05, patience_s=PATIENT_S) as (
            providers,
            upstreams,
        ),
        turn_at(nats_server) as turn,
    ):
        done = await answered(turn, providers)

    assert (done.provider, done.failovers) == ("a", 1)
    assert [len(upstream.bodies) for upstream in upstreams] == [2, 1]
    assert done.text.startswith("Well, the sea is wide. Nobody has")
    assert done.text.endswith("sailed it.")


async def test_nobody_waits_for_the_farewell_of_the_slower_one(nats_server: str) -> None:
    """The first word goes out while that connection is still being closed."""
    slow, fast = Reluctant(), Toy(tokens=3, pace_s=0.001)
    listed = [Provider(name="slow", engine=slow), Provider(name="fast", engine=fast)]
    providers = Providers(listed, hedge_after_s=0.05)
    async with turn_at(nats_server) as turn:
        claim = await claim_on(turn.bus, turn.place, "llm", REQUEST)
        working = asyncio.create_task(answer(claim, providers))
        await until(lambda: len(turn.deltas()) > 0)
        assert not slow.stopped.is_set()
        slow.may_be_left.set()
        await asyncio.wait_for(working, 10)
        await until(lambda: bool(turn.done()))

    assert slow.stopped.is_set()
    assert turn.done()[0].provider == "fast"
