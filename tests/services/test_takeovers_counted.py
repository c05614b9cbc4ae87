"""Sessions of workers that were lost, as the next worker counts them."""

from __future__ import annotations

from functools import partial

import pytest

from schemas.claim import Claimed
from schemas.event import Event
from schemas.session import SessionClosed
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from services.stt.worker import work as listen
from services.turn.admission import Links
from services.turn.settings import TurnSettings
from services.turn.worker import converse
from tests.metered import Growth
from tests.services.stt.ears import Recogniser, ears_of
from tests.workers import Running, bus_in, new_place, until, until_done, worker_in
from voicebus.worker import Role, Work

REQUESTS: dict[str, Event] = {"stt": TranscribeRequest(), "turn": ConverseRequest()}


def hired(role: str, worker: str) -> Role:
    """A worker that holds sessions."""
    return Role(name=role, slots=8, engine="toy", worker=worker)


async def led(url: str, role: str, work: Work, *, lost: bool) -> Growth:
    """Have a session's worker be lost, or drained, and another one go on; return what grew."""
    place, growth = new_place(), Growth()
    waits = "voicebus_claim_wait_seconds_count"

    async def held(running: Running, number: int) -> Running:
        await until(lambda: growth.of(waits, role=role) == number)
        return running

    async with bus_in(url, place.cell) as bus:
        await bus.store(REQUESTS[role], place, job="session")
        if lost:
            gone = Claimed(role=role, worker="gone", delivery=0)
            await bus.claim(gone, place, "session", 0)
        else:
            async with worker_in(url, place.cell, hired(role, "a"), work) as drained:
                await held(drained, 1)
        async with worker_in(url, place.cell, hired(role, "b"), work) as running:
            await held(running, 1 if lost else 2)
            await bus.store(SessionClosed(), place)
            await until_done(bus, role)
    return growth


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "drained"])
@pytest.mark.parametrize("role", ["stt", "turn"])
async def test_a_session_of_a_lost_worker_is_a_takeover(
    nats_server: str, role: str, lost: bool
) -> None:
    """Once for who goes on with it; one that was handed on in good order is none."""
    async with ears_of(Recogniser()) as ears:
        works: dict[str, Work] = {
            "stt": partial(listen, ears=ears),
            "turn": partial(converse, settings=TurnSettings(), links=Links()),
        }
        growth = await led(nats_server, role, works[role], lost=lost)

    taken = {
        outcome: growth.of("voicebus_takeovers_total", role=role, outcome=outcome)
        for outcome in ("continued", "anew", "cut", "done")
    }
    assert taken == {"continued": float(lost), "anew": 0, "cut": 0, "done": 0}
