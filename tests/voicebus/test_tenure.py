"""Jobs that kill or fail their workers, on a real bus: who is blamed, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.claim import Claimed
from schemas.codec import decode, encode
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerateRequest
from subjects.catalog import Place, subject_of
from subjects.streams import MAX_BUS_FAILURES, MAX_FAILURES
from tests.metered import Growth
from tests.voicebus.toys import ASKED, Work, ask, role
from tests.workers import beside, bus_in, new_place, until, until_done, worker_in
from voicebus import dead_letters, probation, tenure
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.claim import Claim
from voicebus.dead_letters import Kept
from voicebus.errors import BusTimeout, EngineTimeout, EngineUnavailable


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed jobs are handed on at once."""
    monkeypatch.setattr(tenure, "RETRY_S", 0.01)


@asynccontextmanager
async def failures_of(url: str, place: Place) -> AsyncIterator[tuple[Bus, Inbox]]:
    """A bus, and what the session is told of failures."""
    async with (
        bus_in(url, place.cell) as bus,
        bus.listen(subject_of(Failure, place)) as inbox,
    ):
        await bus.flush()
        yield bus, inbox


async def letters(bus: Bus) -> list[Kept]:
    """The cell's dead letters."""
    return [letter async for letter in dead_letters.kept(bus)]


async def lose(bus: Bus, place: Place, worker: str) -> None:
    """Have a worker claim the job and be lost: nothing of it is heard again."""
    subject = subject_of(Claimed, place, "llm", "1-0")
    before = await bus.last("SESSION", subject)
    claimed = Claimed(role="llm", worker=worker)
    await bus.claim(claimed, place, "1-0", before.sequence if before else 0)


async def test_a_bug_makes_a_dead_letter_with_all_that_is_known(nats_server: str) -> None:
    """Three workers tried; the caller is told at once; the job is kept as it was."""
    place, attempts = new_place(), []

    async def work(claim: Claim) -> None:
        attempts.append(claim.attempt)
        raise KeyError("a bug")

    async with failures_of(nats_server, place) as (bus, inbox):
        async with worker_in(nats_server, place.cell, role(), work):
            await ask(bus, place)
            _, failure = await asyncio.wait_for(inbox.next(), 20)
            await until_done(bus, "llm", limit_s=20)
        (letter,) = await letters(bus)

    assert attempts == [1, 2, 3]
    assert isinstance(failure, Failure)
    assert (failure.code, failure.turn) == ("poisoned", 1)
    assert "KeyError" not in failure.message
    assert (letter.place, letter.job, letter.letter.role) == (place, "1-0", "llm")
    assert letter.letter.request == encode(GenerateRequest(turn=1, messages=ASKED))
    assert letter.letter.reason == "KeyError: 'a bug'"
    assert (letter.letter.failures, letter.letter.workers) == (MAX_FAILURES, ("a", "a", "a"))
    assert 0 < letter.letter.first_ns < letter.letter.last_ns <= letter.stored_ns


async def test_a_job_that_killed_three_workers_is_not_begun_again(nats_server: str) -> None:
    """A worker that is lost cannot say so: the next one finds out before it begins."""
    place, one, other, growth = new_place(), Work(), Work(), Growth()
    async with failures_of(nats_server, place) as (bus, inbox):
        async with worker_in(nats_server, place.cell, role("a", slots=1), one):
            await ask(bus, place)
            await until(one.holds(1), limit_s=20)
            await lose(bus, place, "b")
            await lose(bus, place, "c")
            async with worker_in(nats_server, place.cell, role("d"), other):
                await bus.publish_raw(await _ack_of(bus, place, "a"), b"-NAK")
                _, failure = await asyncio.wait_for(inbox.next(), 20)
                await until_done(bus, "llm", limit_s=20)
        (letter,) = await letters(bus)

    assert other.claims == []
    assert isinstance(failure, Failure)
    assert (failure.code, failure.turn) == ("poisoned", 1)
    assert letter.letter.reason == "the worker was lost"
    assert letter.letter.workers == ("a", "b", "c")
    assert growth.of("voicebus_dead_letters_total", role="llm") == 1
    assert growth.of("voicebus_claims_total", role="llm", outcome="poisoned") == 1


async def _ack_of(bus: Bus, place: Place, worker: str) -> str:
    subject = subject_of(Claimed, place, "llm", "1-0")
    async for message in bus.read("SESSION", subject):
        event = decode(message.payload)
        if isinstance(event, Claimed) and event.worker == worker:
            return event.ack
    raise AssertionError(f"{worker} held nothing")


async def test_drains_are_no_failures(nats_server: str) -> None:
    """A job that many workers have handed on in good order is as good as new."""
    place, works = new_place(), [Work() for _ in range(MAX_FAILURES + 2)]
    async with failures_of(nats_server, place) as (bus, inbox):
        await ask(bus, place)
        for number, work in enumerate(works):
            async with worker_in(nats_server, place.cell, role(f"w{number}"), work, drain_s=0.05):
                await until(work.holds(1), limit_s=20)
                if work is works[-1]:
                    work.go.set()
                    await until_done(bus, "llm", limit_s=20)

        assert len(inbox) == 0
        assert await letters(bus) == []
    assert [len(work.claims) for work in works] == [1] * len(works)
    assert works[-1].claims[0].attempt == len(works)


async def test_a_failing_bus_makes_no_dead_letter(nats_server: str) -> None:
    """The caller does not wait for ever; the job is no poison."""
    place, attempts = new_place(), []

    async def work(claim: Claim) -> None:
        attempts.append(claim.attempt)
        raise BusTimeout("the bus does not answer")

    async with failures_of(nats_server, place) as (bus, inbox):
        async with worker_in(nats_server, place.cell, role(), work):
            await ask(bus, place)
            _, failure = await asyncio.wait_for(inbox.next(), 20)
            await until_done(bus, "llm", limit_s=20)

        assert await letters(bus) == []
    assert len(attempts) == MAX_BUS_FAILURES
    assert isinstance(failure, Failure)
    assert (failure.code, failure.retryable) == ("bus_timeout", True)


async def test_a_log_that_takes_no_claim_is_no_reason_to_wait_for_ever(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where nothing can tell the next worker how many have tried."""
    place, tries = new_place(), []

    async def refused(_: Bus, claimed: Claimed, *__: object) -> None:
        tries.append(claimed.delivery)
        raise BusTimeout("the bus did not acknowledge in time")

    monkeypatch.setattr(Bus, "claim", refused)
    async with (
        failures_of(nats_server, place) as (bus, inbox),
        worker_in(nats_server, place.cell, role(), Work()),
    ):
        await ask(bus, place)
        _, failure = await asyncio.wait_for(inbox.next(), 20)
        await until_done(bus, "llm", limit_s=20)

    assert tries == list(range(1, MAX_BUS_FAILURES + 1))
    assert isinstance(failure, Failure)
    assert failure.code == "bus_timeout"


@pytest.mark.parametrize("error", [EngineTimeout("it hangs"), EngineUnavailable("it is gone")])
async def test_an_engine_that_gives_no_answer_is_tried_elsewhere_once(
    nats_server: str, error: Exception
) -> None:
    """Before anything is heard, another worker may do better; then the caller is told."""
    place, attempts = new_place(), []

    async def work(claim: Claim) -> None:
        attempts.append(claim.attempt)
        raise error

    async with failures_of(nats_server, place) as (bus, inbox):
        async with worker_in(nats_server, place.cell, role(), work):
            await ask(bus, place)
            _, failure = await asyncio.wait_for(inbox.next(), 20)
            await until_done(bus, "llm", limit_s=20)

        assert await letters(bus) == []
    assert attempts == [1, 2]
    assert isinstance(failure, Failure)
    assert failure.message == str(error)


async def test_an_engine_that_stops_in_the_middle_of_speech_is_told_at_once(
    nats_server: str,
) -> None:
    """Something is heard already."""
    place, attempts = new_place(), []

    async def work(claim: Claim) -> None:
        attempts.append(claim.attempt)
        await claim.publish(ClauseReady(turn=1, text="Well,"))
        raise EngineTimeout("it hangs")

    async with (
        failures_of(nats_server, place) as (bus, inbox),
        worker_in(nats_server, place.cell, role(), work),
    ):
        await ask(bus, place)
        _, failure = await asyncio.wait_for(inbox.next(), 20)
        await until_done(bus, "llm", limit_s=20)

    assert attempts == [1]
    assert isinstance(failure, Failure)
    assert failure.code == "engine_timeout"


async def test_a_dead_letter_can_be_tried_again(nats_server: str) -> None:
    """By a worker that is mended: with a clean record, and knowing that others were there."""
    place, broken = new_place(), asyncio.Event()
    broken.set()
    done: list[Claim] = []

    async def work(claim: Claim) -> None:
        if broken.is_set():
            raise KeyError("a bug")
        done.append(claim)

    async with failures_of(nats_server, place) as (bus, inbox):
        async with worker_in(nats_server, place.cell, role(), work):
            await ask(bus, place)
            await asyncio.wait_for(inbox.next(), 20)
            (letter,) = await letters(bus)
            broken.clear()
            await dead_letters.retry(bus, letter)
            await until(lambda: bool(done), limit_s=20)
            await until_done(bus, "llm", limit_s=20)

        assert await letters(bus) == []
    known = [(claim.attempt, claim.is_takeover, claim.forerunners) for claim in done]
    assert known == [(1, True, MAX_FAILURES)]
    assert done[0].request == GenerateRequest(turn=1, messages=ASKED)


async def test_suspects_begin_one_after_the_other(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that were lost together twice come together again: not all are to look guilty."""
    monkeypatch.setattr(probation, "PROBATION_S", 0.5)
    first, one, other = new_place(), Work(), Work()
    places = [first, *(beside(first) for _ in range(2))]
    async with (
        bus_in(nats_server, first.cell) as bus,
        worker_in(nats_server, first.cell, role("a", slots=3), one),
    ):
        for place in places:
            await ask(bus, place)
        await until(one.holds(3), limit_s=20)
        for place in places:
            await lose(bus, place, "b")
        async with worker_in(nats_server, first.cell, role("c"), other):
            for place in places:
                await bus.publish_raw(await _ack_of(bus, place, "a"), b"-NAK")
            await until(lambda: other.held > 0, limit_s=20)
            together = other.held
            took_s = await until(other.holds(3), limit_s=10)
            other.go.set()
            await until_done(bus, "llm", limit_s=20)

    assert together == 1
    assert took_s > 0.5
