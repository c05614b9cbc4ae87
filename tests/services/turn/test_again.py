"""A conversation that was given up and is tried again: its worker is not the first."""

from __future__ import annotations

import asyncio
from functools import partial

from schemas.claim import Claimed
from schemas.llm import GenerateRequest
from schemas.session import UserText
from schemas.turn import ConverseRequest
from services.turn.admission import Links
from services.turn.settings import TurnSettings
from services.turn.worker import converse
from subjects.catalog import subject_of
from tests.workers import bus_in, new_place, worker_in
from voicebus.worker import Role


async def test_revisions_are_above_those_of_the_workers_before(nats_server: str) -> None:
    """The job is a new one, delivered for the first time; what others asked is on the bus."""
    place, role = new_place(), Role(name="turn", slots=1, engine="toy", worker="d")
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(subject_of(GenerateRequest, place, job="*")) as inbox,
    ):
        epoch = 0
        for worker in "abc":
            claimed = Claimed(role="turn", worker=worker)
            epoch = (await bus.claim(claimed, place, "session", epoch)).epoch
        await bus.store(ConverseRequest(), place, job="session")
        work = partial(converse, settings=TurnSettings(), links=Links())
        async with worker_in(nats_server, place.cell, role, work):
            await bus.store(UserText(text="hello", seq=1), place)
            _, asked = await asyncio.wait_for(inbox.next(), 20)

    assert (asked.turn, asked.revision) == (1, 3_000)
