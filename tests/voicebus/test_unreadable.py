"""Jobs that a worker cannot read, against a real server: kept with their reason, and told."""

from __future__ import annotations

import asyncio

import pytest

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, SummaryMade
from subjects.catalog import subject_of
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, jobs_left, new_place, until_done, worker_in
from voicebus.dead_letters import kept
from voicebus.unreadable import attempt_of

UNKNOWN = b'{"type":"of.tomorrow"}'


def of_session(turn: int, revision: int) -> Failure:
    """What the session is told of such a job."""
    return Failure(
        stage="llm",
        code="codec",
        message="A worker could not read this request.",
        turn=turn,
        revision=revision,
    )


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ("7-2", of_session(7, 2)),
        ("7-2-1", of_session(7, 2)),
        ("session", of_session(0, 0)),
        ("summary-12", SummaryMade(through=12, error="codec")),
    ],
)
async def test_a_job_that_is_no_message_is_kept_and_its_session_is_told(
    nats_server: str, job: str, told: Event
) -> None:
    """Its bytes are among the dead letters with what is wrong with them; the next job is served."""
    place, work = new_place(), Work()
    work.go.set()
    subjects = subject_of(Failure, place), subject_of(SummaryMade, place)
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(*subjects) as inbox,
        worker_in(nats_server, place.cell, role(slots=1), work),
    ):
        await bus.publish_raw(subject_of(GenerateRequest, place, job=job), UNKNOWN)
        _, heard = await asyncio.wait_for(inbox.next(), 20)
        await ask(bus, place)
        await until_done(bus, "llm", limit_s=20)
        (dead,) = [letter async for letter in kept(bus)]
        assert await jobs_left(bus, "llm") == 0

    assert heard == told
    assert (dead.place, dead.job) == (place, job)
    assert (dead.letter.role, dead.letter.request) == ("llm", UNKNOWN)
    assert (dead.letter.turn, dead.letter.revision) == (told.turn, told.revision)
    assert (dead.letter.failures, dead.letter.workers) == (1, ("a",))
    assert "Error" in dead.letter.reason
    assert [claim.job for claim in work.claims] == ["1-0"]


def test_the_attempt_is_in_the_name_of_a_turns_job() -> None:
    """Names of other jobs say nothing of a turn."""
    names = ("3-0", "3-1-2", "3-1-2-4", "session", "summary-3", "x-1", "3", "")
    assert [attempt_of(name) for name in names] == [(3, 0), (3, 1), (3, 1), *[(0, 0)] * 5]
