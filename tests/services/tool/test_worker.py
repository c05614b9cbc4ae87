"""The tool worker on a real bus: each call is answered once, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.failure import Failure
from schemas.tool import ToolDone, ToolRequest
from schemas.turn import SessionMoved, TurnCancelled
from services.tool.engine import Engine, Result
from services.tool.worker import call
from subjects.catalog import Place, subject_of
from tests.metered import Growth
from tests.workers import beside, bus_in, claim_on, new_place, worker_in
from voicebus.bus.client import Bus
from voicebus.claim import Claim
from voicebus.errors import EngineTimeout, EngineUnavailable, RequestRefused
from voicebus.role import Role
from voicebus.worker import job_name

LIMIT_S = 10.0
UNSURE = "it is not known whether this was done. Do not repeat it unasked."
LARGE = "it was called, but its result has 101 characters; at most 100 fit"


class Shop:
    """A server whose functions do as they are named."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], str]] = []

    async def call(
        self, name: str, arguments: dict[str, Any], call: str, timeout_s: float
    ) -> Result:
        """Do it."""
        self.calls.append((name, arguments, call))
        match name:
            case "hang":
                await asyncio.sleep(LIMIT_S)
            case "late":
                raise EngineTimeout("no result within 1 s")
            case "closed":
                raise EngineUnavailable("the shop is closed")
            case "bug":
                raise KeyError("x")
            case "large":
                return Result("x" * 101)
        return Result("Seven.")


def asked(name: str, arguments: str = "{}", **more: Any) -> ToolRequest:
    """A call of one of its functions."""
    return ToolRequest(
        round=0, server="shop", name=name, arguments=arguments, call="c", turn=1, **more
    )


async def made(
    bus: Bus, place: Place, request: ToolRequest, servers: Mapping[str, Engine], attempt: int = 1
) -> list[ToolDone]:
    """Do a job; return all that is told of it."""
    async with bus.listen(subject_of(ToolDone, place)) as inbox:
        await bus.flush()
        claim = await claim_on(bus, place, "tool", request, job="1-0-0-0", attempt=attempt)
        async with asyncio.timeout(LIMIT_S):
            await call(claim, servers, 100)
        await bus.flush()
        told = [(await inbox.next())[1] for _ in range(len(inbox))]
    return [event for event in told if isinstance(event, ToolDone)]


async def test_a_function_is_called_with_its_arguments_and_a_name_of_the_call(
    nats_server: str,
) -> None:
    """By which a server can tell that it has done this already."""
    growth = Growth()
    place, shop = new_place(), Shop()
    async with bus_in(nats_server, place.cell) as bus:
        (done,) = await made(bus, place, asked("stock", '{"tea": "mint"}'), {"shop": shop})

    assert (done.content, done.failed, done.seq) == ("Seven.", False, 0)
    assert shop.calls == [("stock", {"tea": "mint"}, f"{place.session}-1-0-0-0")]
    assert growth.of("voicebus_tool_calls_total", server="shop", outcome="done") == 1
    assert growth.of("voicebus_tool_seconds_count", server="shop") == 1
    assert 0 < growth.of("voicebus_tool_seconds_sum", server="shop") < LIMIT_S


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (asked("late", repeatable=True), "error: no result within 1 s"),
        (asked("late"), f"error: no result within 1 s; {UNSURE}"),
        (asked("bug"), f"error: the call broke off; {UNSURE}"),
        (asked("large", repeatable=True), f"error: {LARGE}"),
        (asked("large"), f"error: {LARGE}. Do not repeat it unasked."),
        (asked("closed"), "error: the shop is closed"),
        (asked("stock", "[1"), "error: the arguments are no JSON object"),
        (asked("stock", "[1]"), "error: the arguments are no JSON object"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    nats_server: str, request_: ToolRequest, told: str
) -> None:
    """It is no failure of the turn; what may have been done is not told as if it were not."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        (done,) = await made(bus, place, request_, {"shop": Shop()})

    assert (done.content, done.failed) == (told, True)


async def test_a_server_that_is_not_known_is_told_as_such(nats_server: str) -> None:
    """The file of the servers may have changed."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        (done,) = await made(bus, place, asked("stock"), {})

    assert done.content == "error: the server 'shop' is not known here"


@pytest.mark.parametrize(("repeatable", "calls"), [(True, 1), (False, 0)])
async def test_a_lost_call_is_made_again_only_where_that_is_harmless(
    nats_server: str, repeatable: bool, calls: int
) -> None:
    """Who cannot know whether something was bought does not buy it once more."""
    place, shop = new_place(), Shop()
    async with bus_in(nats_server, place.cell) as bus:
        request = asked("sell", repeatable=repeatable)
        (done,) = await made(bus, place, request, {"shop": shop}, attempt=2)

    assert len(shop.calls) == calls
    assert done.failed is not repeatable
    assert ("it is not known whether this was done" in done.content) is not repeatable


async def test_a_call_that_was_told_is_not_made_again(nats_server: str) -> None:
    """Its worker died between the result and the end of the job."""
    place, shop = new_place(), Shop()
    request = asked("stock", repeatable=True)
    async with bus_in(nats_server, place.cell) as bus:
        (told,) = await made(bus, place, request, {"shop": shop})
        again = await made(bus, place, request, {"shop": shop}, attempt=2)

    assert told.content == "Seven."
    assert again == []
    assert len(shop.calls) == 1


async def test_an_interruption_ends_the_call(nats_server: str) -> None:
    """Nobody waits for its result any more."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "tool", asked("hang"), job="1-0-0-0")
        calling = asyncio.create_task(call(claim, {"shop": Shop()}, 100))
        await asyncio.sleep(0.1)
        await bus.publish(TurnCancelled(turn=1), place)
        async with asyncio.timeout(LIMIT_S / 2):
            await calling

    assert not claim.lost.done()


async def test_a_worker_that_gives_a_call_up_says_so_to_the_model(nats_server: str) -> None:
    """Of this call, and of no other; the turn has not failed, and its client hears nothing."""
    growth = Growth()
    place, request = new_place(), asked("sell", seq=1)
    role = Role(name="tool", slots=1, engine="toy", worker="a")

    async def give_up(_: Claim) -> None:
        raise RequestRefused("not today")

    subjects = subject_of(ToolDone, place), subject_of(Failure, place)
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(*subjects) as inbox,
        worker_in(nats_server, place.cell, role, give_up),
    ):
        await bus.store(request, place, job=job_name(request))
        async with asyncio.timeout(LIMIT_S):
            _, done = await inbox.next()

    assert isinstance(done, ToolDone)
    assert (done.turn, done.round, done.seq) == (1, 0, 1)
    assert done.content == f"error: not today; {UNSURE}"
    assert len(inbox) == 0
    assert growth.of("voicebus_tool_calls_total", server="shop", outcome="failed") == 1


async def test_who_is_late_does_nothing(nats_server: str) -> None:
    """A turn that is over, a session that has left, or a job that lay there for long."""
    place, shop = new_place(), Shop()
    left = beside(place)
    async with bus_in(nats_server, place.cell) as bus:
        await bus.store(SessionMoved(edge="e", session="s"), left)
        gone = await made(bus, left, asked("sell"), {"shop": shop})
        await bus.store(TurnCancelled(turn=1), place)
        cancelled = await made(bus, place, asked("sell"), {"shop": shop})
        old = await claim_on(bus, beside(place), "tool", asked("sell"), age_s=60)
        await call(old, {"shop": shop}, 100)

    assert cancelled == gone == []
    assert shop.calls == []
