"""Work that lasts a turn ends with the turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from schemas.event import Event
from schemas.llm import GenerateRequest, Message
from schemas.turn import NothingHeard, TurnCancelled, TurnEnded, TurnStarted
from tests.bus import unreadable
from tests.nats_server import NatsServer
from tests.workers import bus_in, claim_on, new_place
from voicebus.bus.client import Bus
from voicebus.claim import Claim
from voicebus.errors import EngineTimeout
from voicebus.turns import unless_cancelled

REQUEST = GenerateRequest(turn=2, revision=1, messages=(Message(role="user", content="x"),))


class Endless:
    """Work that ends only when it is stopped."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.stopped = asyncio.Event()

    async def __call__(self) -> None:
        """Work."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()


async def with_claim(url: str, body: Callable[[Bus, Claim], Awaitable[None]]) -> None:
    """Run a test's body with a claim on turn 2, revision 1."""
    place = new_place()
    async with bus_in(url, place.cell) as bus:
        await body(bus, await claim_on(bus, place, "llm", REQUEST))


@pytest.mark.parametrize(
    "over",
    [
        TurnCancelled(turn=2, revision=1),
        TurnCancelled(turn=2, revision=2),
        TurnCancelled(turn=3),
        TurnEnded(turn=2, revision=1, outcome="failed"),
        TurnStarted(turn=3, text="the next one"),
        TurnStarted(turn=2, revision=2, text="another attempt"),
    ],
    ids=lambda event: f"{type(event).__name__}-{event.turn}-{event.revision}",
)
async def test_work_stops_when_its_turn_is_over(nats_server: str, over: Event) -> None:
    """Cancelled, ended, or followed by the next turn: nobody waits for this one."""
    work = Endless()

    async def body(bus: Bus, claim: Claim) -> None:
        running = asyncio.create_task(unless_cancelled(claim, work()))
        await work.begun.wait()
        await bus.flush()
        await asyncio.sleep(0.05)
        await bus.publish(over, claim.place)
        await asyncio.wait_for(running, 2)

    await with_claim(nats_server, body)

    assert work.stopped.is_set()


@pytest.mark.parametrize(
    "other",
    [
        TurnCancelled(turn=1, revision=5),
        TurnCancelled(turn=2, revision=0),
        TurnEnded(turn=1, outcome="interrupted"),
        TurnStarted(turn=2, revision=1, text="ours"),
        TurnStarted(turn=2, revision=0, text="an older attempt"),
        NothingHeard(),
    ],
    ids=lambda event: f"{type(event).__name__}-{event.turn}-{event.revision}",
)
async def test_what_concerns_other_turns_stops_nothing(nats_server: str, other: Event) -> None:
    """An older turn's end comes late sometimes, and is none of ours."""
    work = Endless()

    async def body(bus: Bus, claim: Claim) -> None:
        await bus.publish(other, claim.place)
        running = asyncio.create_task(unless_cancelled(claim, work()))
        await work.begun.wait()
        await asyncio.sleep(0.1)
        await bus.publish(other, claim.place)
        await bus.flush()
        await asyncio.sleep(0.1)
        assert not running.done()
        running.cancel()
        await asyncio.wait((running,))

    await with_claim(nats_server, body)

    assert work.stopped.is_set()


async def test_a_turn_that_was_over_before_it_was_claimed_is_not_worked_on(
    nats_server: str,
) -> None:
    """A job that waited for a slot until its turn had failed does not keep the slot."""
    work = Endless()

    async def body(bus: Bus, claim: Claim) -> None:
        await bus.publish(TurnCancelled(turn=2, revision=1), claim.place)
        await bus.store(TurnEnded(turn=2, revision=1, outcome="failed"), claim.place)
        await asyncio.wait_for(unless_cancelled(claim, work()), 2)

    await with_claim(nats_server, body)

    assert work.stopped.is_set() or not work.begun.is_set()


@pytest.mark.parametrize(
    "over",
    [
        TurnCancelled(turn=2, revision=1),
        TurnStarted(turn=2, revision=2, text="another attempt"),
        TurnStarted(turn=3, text="the next one"),
    ],
    ids=lambda event: f"{type(event).__name__}-{event.turn}-{event.revision}",
)
async def test_a_draft_that_was_cancelled_while_its_job_waited_is_not_computed(
    nats_server: str, over: Event
) -> None:
    """The order was given when nobody worked on it yet; what came behind it hides nothing."""
    work = Endless()

    async def body(bus: Bus, claim: Claim) -> None:
        await bus.store(over, claim.place)
        await bus.store(TurnCancelled(turn=1, revision=7), claim.place)
        await asyncio.wait_for(unless_cancelled(claim, work()), 2)

    await with_claim(nats_server, body)

    assert work.stopped.is_set() or not work.begun.is_set()


async def test_work_that_ends_by_itself_just_ends(nats_server: str) -> None:
    """Nobody cancels; the work's end is the end."""
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    async def body(_: Bus, claim: Claim) -> None:
        await asyncio.wait_for(unless_cancelled(claim, work()), 2)

    await with_claim(nats_server, body)

    assert done.is_set()


async def test_an_error_of_the_work_comes_out(nats_server: str) -> None:
    """A failure is not taken for a cancellation."""

    async def work() -> None:
        raise EngineTimeout("no token came")

    async def body(_: Bus, claim: Claim) -> None:
        with pytest.raises(EngineTimeout):
            await unless_cancelled(claim, work())

    await with_claim(nats_server, body)


async def test_a_log_that_cannot_be_read_ends_no_work(own_nats_server: NatsServer) -> None:
    """Nobody knows whether the turn is over: the work goes on, and the log is asked again."""
    work = Endless()

    async def body(bus: Bus, claim: Claim) -> None:
        await bus.store(TurnCancelled(turn=2, revision=1), claim.place)
        async with unreadable(bus, "SESSION"):
            running = asyncio.create_task(unless_cancelled(claim, work()))
            await asyncio.wait((running,), timeout=0.5)
            assert not running.done()
        await asyncio.wait_for(running, 20)

    await with_claim(own_nats_server.url, body)

    assert work.stopped.is_set()


async def test_an_order_is_heard_while_the_log_cannot_be_read(own_nats_server: NatsServer) -> None:
    """The live path needs no log."""
    work = Endless()

    async def body(bus: Bus, claim: Claim) -> None:
        async with unreadable(bus, "SESSION"):
            running = asyncio.create_task(unless_cancelled(claim, work()))
            await asyncio.wait((running,), timeout=0.3)
            assert not running.done()
            await bus.publish(TurnCancelled(turn=2, revision=1), claim.place)
            await asyncio.wait_for(running, 20)

    await with_claim(own_nats_server.url, body)

    assert work.stopped.is_set()
