"""The harness of every worker, against a real server: claims, slots, and how they end."""

from __future__ import annotations

import asyncio

import pytest

from schemas.claim import Claimed, Presence
from schemas.codec import decode
from schemas.failure import Failure
from schemas.llm import GenerateRequest, GenerationDone
from subjects.catalog import subject_of
from subjects.processes import presence_subject
from subjects.streams import MAX_FAILURES
from tests.metered import Growth, sample
from tests.voicebus.toys import Work, ask, role
from tests.workers import beside, bus_in, jobs_left, new_place, until, until_done, worker_in
from voicebus import tenure, vitals
from voicebus.claim import Claim
from voicebus.errors import BusTimeout, EngineOverloaded, UnknownVoice

HELD = ("voicebus_worker_slots", "voicebus_worker_busy")


async def test_a_job_is_claimed_worked_on_and_acknowledged(nats_server: str) -> None:
    """The claim is in the log under its epoch, the work's words carry it, the job is gone."""
    place = new_place()

    async def work(claim: Claim) -> None:
        await claim.publish(GenerationDone(turn=1, text="hello"))

    done = subject_of(GenerationDone, place)
    async with bus_in(nats_server, place.cell) as bus, bus.listen(done) as inbox:
        async with worker_in(nats_server, place.cell, role(), work):
            await ask(bus, place)
            _, answer = await asyncio.wait_for(inbox.next(), 20)
            await until_done(bus, "llm")
        claimed = await bus.last("SESSION", subject_of(Claimed, place, "llm", "1-0"))

    assert claimed is not None
    assert answer == GenerationDone(turn=1, text="hello", epoch=claimed.sequence)
    event = decode(claimed.payload)
    assert isinstance(event, Claimed)
    assert (event.role, event.worker, event.delivery, event.turn) == ("llm", "a", 1, 1)


async def test_no_more_jobs_are_held_than_there_are_slots(nats_server: str) -> None:
    """Two slots and seven jobs: two at a time until all are done."""
    place, work = new_place(), Work()
    async with bus_in(nats_server, place.cell) as bus:
        for turn in range(1, 8):
            await ask(bus, place, turn)
        async with worker_in(nats_server, place.cell, role(slots=2), work):
            await until(work.holds(2))
            await asyncio.sleep(0.2)
            assert len(work.claims) == 2
            places = [sample(name, role="llm") for name in HELD]
            assert places == [2, 2]
            work.go.set()
            await until_done(bus, "llm")

    assert len(work.claims) == 7
    assert work.most == 2


async def test_two_workers_share_the_load(nats_server: str) -> None:
    """Eight sessions over two workers of four slots: all are held at once."""
    place, one, other = new_place(), Work(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a"), one),
        worker_in(nats_server, place.cell, role("b"), other),
    ):
        for turn in range(1, 9):
            await ask(bus, place, turn)
        await until(lambda: one.held + other.held == 8)

        assert (one.held, other.held) == (4, 4)
        one.go.set()
        other.go.set()
        await until_done(bus, "llm")


async def test_an_error_of_ours_becomes_a_failure_and_is_not_tried_again(nats_server: str) -> None:
    """Who asked for what cannot be done hears why, once."""
    place, attempts = new_place(), []

    async def work(claim: Claim) -> None:
        attempts.append(claim.attempt)
        raise UnknownVoice("There is no voice 'x'.")

    failure = subject_of(Failure, place)
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(failure) as inbox,
        worker_in(nats_server, place.cell, role(), work),
    ):
        await ask(bus, place, revision=3)
        _, event = await asyncio.wait_for(inbox.next(), 20)
        await until_done(bus, "llm")

    assert isinstance(event, Failure)
    assert (event.stage, event.code) == ("llm", "unknown_voice")
    assert (event.turn, event.revision) == (1, 3)
    assert event.message == "There is no voice 'x'."
    assert not event.retryable
    assert attempts == [1]


async def test_an_error_in_a_task_of_the_work_keeps_its_name(nats_server: str) -> None:
    """Work with a task group of its own fails no less clearly."""
    place = new_place()

    async def fail() -> None:
        raise EngineOverloaded("come back later")

    async def work(_: Claim) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    failure = subject_of(Failure, place)
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(failure) as inbox,
        worker_in(nats_server, place.cell, role(), work),
    ):
        await ask(bus, place)
        _, event = await asyncio.wait_for(inbox.next(), 20)

    assert isinstance(event, Failure)
    assert (event.code, event.retryable) == ("engine_overloaded", True)


async def test_a_crash_is_tried_again_until_it_is_given_up(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in the work costs one job, says so in the end, and leaves the worker alive."""
    monkeypatch.setattr(tenure, "RETRY_S", 0.01)
    place, attempts = new_place(), []

    async def work(claim: Claim) -> None:
        if claim.request.turn == 1:
            attempts.append(claim.attempt)
            raise KeyError("a bug")
        await claim.publish(GenerationDone(turn=2, text="hello"))

    subjects = subject_of(Failure, place), subject_of(GenerationDone, place)
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(*subjects) as inbox,
        worker_in(nats_server, place.cell, role(), work),
    ):
        await ask(bus, place)
        _, event = await asyncio.wait_for(inbox.next(), 20)
        await ask(bus, place, 2)
        _, answer = await asyncio.wait_for(inbox.next(), 20)
        await until_done(bus, "llm")

    assert attempts == list(range(1, MAX_FAILURES + 1))
    assert isinstance(event, Failure)
    assert (event.code, event.turn) == ("poisoned", 1)
    assert "KeyError" not in event.message
    assert isinstance(answer, GenerationDone)


async def test_a_failing_bus_is_no_reason_to_give_a_job_up(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the bus did not answer, the job is tried again, and nobody is told of a failure."""
    monkeypatch.setattr(tenure, "RETRY_S", 0.01)
    place, attempts = new_place(), []

    async def work(claim: Claim) -> None:
        attempts.append(claim.attempt)
        if claim.attempt < 3:
            raise BusTimeout("the bus does not answer")

    failure = subject_of(Failure, place)
    async with bus_in(nats_server, place.cell) as bus, bus.listen(failure) as inbox:
        async with worker_in(nats_server, place.cell, role(), work):
            await ask(bus, place)
            await until(lambda: len(attempts) == 3)
            await until_done(bus, "llm")

        assert attempts == [1, 2, 3]
        assert len(inbox) == 0


async def test_a_job_that_is_none_costs_no_slot(nats_server: str) -> None:
    """Garbage in the queue is thrown away, and the next job is served at once."""
    place, work = new_place(), Work()
    work.go.set()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role(slots=1), work),
    ):
        for number in range(3):
            subject = subject_of(GenerateRequest, place, job=f"{number}-9")
            await bus.publish_raw(subject, b"\xff not a message")
        await ask(bus, place)
        await until_done(bus, "llm", limit_s=2)

    assert [claim.job for claim in work.claims] == ["1-0"]


async def test_a_new_owner_ends_the_work_of_the_old_one(nats_server: str) -> None:
    """The store refuses the old owner's next word; it stops, and leaves the job to the new one."""
    place, stopped, growth = new_place(), asyncio.Event(), Growth()
    started: asyncio.Queue[Claim] = asyncio.Queue()

    async def work(claim: Claim) -> None:
        started.put_nowait(claim)
        try:
            while True:
                await claim.publish(GenerationDone(turn=1, text="zombie"))
                await asyncio.sleep(0.02)
        finally:
            stopped.set()

    async with bus_in(nats_server, place.cell) as bus:
        async with worker_in(nats_server, place.cell, role(), work):
            await ask(bus, place)
            claim = await asyncio.wait_for(started.get(), 5)
            fence = await bus.claim(Claimed(role="llm", worker="b"), place, "1-0", claim.epoch)
            await asyncio.wait_for(stopped.wait(), 2)
            await asyncio.sleep(0.1)
            left = await jobs_left(bus, "llm")
        done = subject_of(GenerationDone, place)
        logged = [m.sequence async for m in bus.read("SESSION", done)]

    assert left == 1
    assert all(sequence < fence.epoch for sequence in logged)
    assert growth.of("voicebus_claims_total", role="llm", outcome="fenced") == 1
    assert growth.of("voicebus_claims_total", role="llm", outcome="done") == 0


async def test_a_worker_says_that_it_is_there(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its presence tells slots, load and state."""
    monkeypatch.setattr(vitals, "PRESENCE_S", 0.05)
    place, work = new_place(), Work()
    subject = presence_subject(place.cell, "llm", "a")
    async with bus_in(nats_server, place.cell) as bus, bus.listen(subject) as inbox:
        await bus.flush()
        async with worker_in(nats_server, place.cell, role(slots=3), work) as running:
            await ask(bus, place)
            await until(work.holds(1))
            await asyncio.sleep(0.1)
            assert running.worker.is_ready
            work.go.set()
        assert not running.worker.is_ready
        seen = [(await inbox.next())[1] for _ in range(len(inbox))]

    assert Presence(role="llm", worker="a", slots=3, busy=1, engine="toy") in seen


async def test_other_sessions_are_not_touched_by_a_failure(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One session's bug leaves the others' work alone."""
    monkeypatch.setattr(tenure, "RETRY_S", 0.01)
    bad, healthy = new_place(), Work()
    good = beside(bad)

    async def work(claim: Claim) -> None:
        if claim.place == bad:
            raise RuntimeError("a bug")
        await healthy(claim)

    async with (
        bus_in(nats_server, bad.cell) as bus,
        bus.listen(subject_of(Failure, bad)) as inbox,
        worker_in(nats_server, bad.cell, role(), work),
    ):
        await ask(bus, good)
        await until(healthy.holds(1))
        await ask(bus, bad)
        await asyncio.wait_for(inbox.next(), 20)

        assert healthy.held == 1
        healthy.go.set()
        await until_done(bus, "llm")
