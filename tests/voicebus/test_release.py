"""Whether what is made for a turn may be heard."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.llm import GenerateRequest, Message
from schemas.turn import TurnEnded, TurnStarted
from tests.bus import unreadable
from tests.nats_server import NatsServer
from tests.workers import bus_in, claim_on, new_place
from voicebus.release import is_released

REQUEST = GenerateRequest(turn=2, revision=1, messages=(Message(role="user", content="x"),))


@pytest.mark.parametrize(
    ("events", "released"),
    [
        ((), False),
        ((TurnStarted(turn=2, revision=1, text="x"),), True),
        ((TurnStarted(turn=2, revision=1, text="x"), TurnEnded(turn=2, outcome="completed")), True),
        ((TurnStarted(turn=2, revision=0, text="x"),), False),
        ((TurnStarted(turn=2, revision=2, text="x"),), False),
        ((TurnStarted(turn=1, revision=1, text="x"),), False),
        ((TurnEnded(turn=2, revision=1, outcome="interrupted"),), False),
    ],
)
async def test_only_its_own_beginning_releases_a_revision(
    nats_server: str, events: tuple[Event, ...], released: bool
) -> None:
    """What was made for another attempt at the turn is not let out with it."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "llm", REQUEST)
        for event in events:
            await bus.store(event, place)

        assert await is_released(claim) is released


async def test_a_log_that_cannot_be_read_says_nothing(own_nats_server: NatsServer) -> None:
    """It ends no work either."""
    place = new_place()
    async with bus_in(own_nats_server.url, place.cell) as bus:
        claim = await claim_on(bus, place, "llm", REQUEST)
        async with unreadable(bus, "SESSION"):
            assert await is_released(claim) is None
