"""What workers say that they have."""

from __future__ import annotations

import asyncio

from schemas.claim import Presence
from schemas.codec import encode
from subjects.processes import presence_subject
from subjects.tokens import new_token
from tests.workers import bus_in
from voicebus.fleet import Fleet, Offers
from voicebus.sessions.room import GONE_S


def presence(worker: str, role: str = "llm", state: str = "ready", **has: object) -> Presence:
    """A sign of life."""
    return Presence(role=role, worker=worker, slots=1, busy=0, state=state, **has)  # type: ignore[arg-type]  # as the test says


def test_each_model_is_there_once_and_in_one_order() -> None:
    """Two edges say the same of the same fleet."""
    offers = Offers()
    offers.heard(presence("b", models=("one", "two")), 0.0)
    offers.heard(presence("a", models=("two",)), 0.0)

    assert offers.models("llm", 1.0) == ("two", "one")
    assert offers.models("tts", 1.0) == ()


def test_who_is_silent_or_leaves_offers_nothing() -> None:
    """What cannot be had is not offered."""
    offers = Offers()
    offers.heard(presence("a", models=("one",)), 0.0)
    offers.heard(presence("b", role="tts", models=("piper",), voices=("joe",)), 0.0)
    voices = offers.voices(1.0)
    offers.heard(presence("b", role="tts", state="draining", voices=("joe",)), 1.0)

    assert voices == ("joe",)
    assert offers.voices(1.0) == ()
    assert offers.models("llm", GONE_S + 0.1) == ()


def test_who_has_gone_is_forgotten_though_nobody_asks() -> None:
    """Workers come and go for months, and on most days nobody wants to know what they offered."""
    offers = Offers()
    for number in range(1_000):
        offers.heard(presence(f"w{number}", models=("one",)), float(number))

    assert len(offers) <= 2 * GONE_S + 2


async def test_who_asks_early_waits_for_the_first_sign_of_life(nats_server: str) -> None:
    """An edge that has just started does not say that nobody is there."""
    cell = new_token("c")
    async with bus_in(nats_server, cell) as bus:
        fleet = Fleet(bus)
        following = asyncio.create_task(fleet.run())
        asking = asyncio.create_task(fleet.models("llm"))
        await asyncio.sleep(0.1)
        early = asking.done()
        sign = encode(presence("w1", models=("one",)))
        await bus.announce(presence_subject(cell, "llm", "w1"), sign)
        models = await asking
        absent = await fleet.voices()
        following.cancel()
        await asyncio.wait((following,))

    assert not early
    assert models == ("one",)
    assert absent == ()
