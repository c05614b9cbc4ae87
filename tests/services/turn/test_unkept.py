"""A conversation whose store takes nothing any more, on a real bus."""

from __future__ import annotations

import asyncio

import pytest

from schemas.conversation import Joined
from schemas.session import SessionClosed
from services.turn import keeper
from tests.metered import Growth
from tests.services.turn.test_conversations import ADA
from tests.services.turn.together import LIMIT_S, kept_turns, talk
from tests.workers import bus_in, new_place
from voicebus.conversations import start
from voicebus.errors import BusUnavailable


async def test_a_turn_that_could_not_be_kept_is_counted_when_its_session_ends(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is there any more who would try again; one that was kept is none."""
    monkeypatch.setattr(keeper, "_LAST_S", 0.2)
    place, begun, growth = new_place(), start(ADA), Growth()

    async def away(_: keeper.Keeper) -> None:
        raise BusUnavailable("the store is away")

    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, begun) as led:
        await led.hear(Joined)
        await led.turn("I am Ada.", "Hello, Ada.")
        await kept_turns(bus, begun.conversation, 1)
        monkeypatch.setattr(keeper.Keeper, "_keep", away)
        await led.turn("Who am I?", "Ada.")
        await bus.store(SessionClosed(), place)
        await asyncio.wait_for(led.leading, LIMIT_S)

    assert growth.of("voicebus_exchanges_unkept_total") == 1
