"""A worker that is told to go in the midst of its work, whatever its engine."""

from __future__ import annotations

import asyncio

from schemas.event import Event
from subjects.catalog import subject_of
from tests.workers import bus_in, new_place, worker_in
from voicebus.role import Role
from voicebus.worker import Work

LONGEST_S = 20.0


async def drained(
    url: str,
    role: str,
    work: Work,
    job: Event,
    kinds: tuple[type[Event], type[Event]],
    *,
    before: tuple[Event, ...] = (),
) -> list[Event]:
    """Give a worker a job, tell it to go once something of it is there; return what it published.

    Args:
        url: Of the bus.
        role: Of the worker.
        work: What it does with the job.
        job: What is to be done.
        kinds: What comes first and may come again, and the end.
        before: What lies in the log already.

    Raises:
        TimeoutError: The end was not published, or the worker did not go.
    """
    place, (_, end) = new_place(), kinds
    async with (
        bus_in(url, place.cell) as bus,
        bus.listen(*{subject_of(kind, place) for kind in kinds}) as inbox,
        worker_in(url, place.cell, _role(role), work, drain_s=LONGEST_S) as leaving,
    ):
        await bus.flush()
        for event in before:
            await bus.store(event, place)
        await bus.store(job, place, job="1-0")
        async with asyncio.timeout(LONGEST_S):
            heard = [(await inbox.next())[1]]
            going = asyncio.create_task(leaving.stop())
            while not isinstance(heard[-1], end):
                heard.append((await inbox.next())[1])
            await going
        return heard


def _role(name: str) -> Role:
    return Role(name=name, slots=1, engine="any", worker="leaving")
