"""Jobs that a worker cannot read, against a real server: kept for people, told to no session."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from schemas.codec import encode
from schemas.llm import GenerateRequest
from schemas.stt import TranscriptFinal
from subjects.catalog import Place, session_log, subject_of
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, jobs_left, new_place, until, until_done, worker_in
from voicebus import metrics, unreadable
from voicebus.bus.client import Bus
from voicebus.bus.delivery import NAK, TERM, Delivery
from voicebus.dead_letters import Kept, kept
from voicebus.errors import CodecError
from voicebus.unreadable import KEPT_BYTES, KEPT_PER_MIN, Unreadable

UNKNOWN = msgspec.msgpack.encode({"type": "of.tomorrow"})
FORGED = encode(TranscriptFinal(utterance=1, text="I agree", start_ms=0, end_ms=10, end_offset=160))


async def letters(bus: Bus) -> list[Kept]:
    """What was buried in the cell."""
    return [letter async for letter in kept(bus)]


def delivery(place: Place, payload: bytes, attempt: int = 1) -> Delivery:
    """A job as the server hands it out."""
    return Delivery(subject_of(GenerateRequest, place, job="7-2"), payload, "", attempt, 1, 1)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"\xc1", "DecodeError"), (UNKNOWN, "of.tomorrow"), (FORGED, "TranscriptFinal")],
)
async def test_a_job_that_is_none_is_kept_and_its_session_hears_nothing(
    nats_server: str, payload: bytes, reason: str
) -> None:
    """Its bytes are among the dead letters with what is wrong with them; the next job is served."""
    place, work = new_place(), Work()
    work.go.set()
    counted = metrics.DEAD_LETTERS.labels("llm")._value.get()
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(*session_log(place.cell, place.session)) as inbox,
        worker_in(nats_server, place.cell, role(slots=1), work),
    ):
        await bus.publish_raw(subject_of(GenerateRequest, place, job="7-2"), payload)
        async with asyncio.timeout(20):
            while not (dead := await letters(bus)):
                await asyncio.sleep(0.02)
        await until_done(bus, "llm", limit_s=20)
        await bus.flush()
        assert len(inbox) == 0
        await ask(bus, place)
        await until(lambda: bool(work.claims), limit_s=20)
        await until_done(bus, "llm", limit_s=20)
        assert await jobs_left(bus, "llm") == 0
        assert await letters(bus) == dead

    (only,) = dead
    assert (only.place, only.job) == (place, "7-2")
    assert (only.letter.role, only.letter.request) == ("llm", payload)
    assert (only.letter.failures, only.letter.workers) == (1, ("a",))
    assert reason in only.letter.reason
    assert only.request() is None
    assert [claim.job for claim in work.claims] == ["1-0"]
    assert metrics.DEAD_LETTERS.labels("llm")._value.get() == counted + 1


async def test_what_is_kept_of_such_a_job_is_bounded(nats_server: str) -> None:
    """The reason says how much there was."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        bury = Unreadable(bus, role()).bury
        error = CodecError("x" * 10_000)
        assert await bury(delivery(place, b"\xc1" * (KEPT_BYTES + 1)), error) == TERM
        (dead,) = await letters(bus)

    assert dead.letter.request == b"\xc1" * KEPT_BYTES
    assert f"of {KEPT_BYTES + 1} bytes" in dead.letter.reason
    assert len(dead.letter.reason) < 500


async def test_a_flood_of_them_is_kept_in_part(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many in a minute; all are counted, none is handed out again, and later ones are kept."""
    place = new_place()
    counted = metrics.BUS_MALFORMED._value.get()
    async with bus_in(nats_server, place.cell) as bus:
        bury, error = Unreadable(bus, role()).bury, CodecError("none")
        flood = [await bury(delivery(place, b"\xc1"), error) for _ in range(3 * KEPT_PER_MIN)]
        assert len(await letters(bus)) == KEPT_PER_MIN
        monkeypatch.setattr(unreadable, "_WINDOW_S", 0.0)
        await bury(delivery(place, b"\xc1"), error)
        assert len(await letters(bus)) == KEPT_PER_MIN + 1

    assert set(flood) == {TERM}
    assert metrics.BUS_MALFORMED._value.get() == counted + 3 * KEPT_PER_MIN + 1


async def test_one_that_cannot_be_kept_now_is_handed_on_and_given_up_in_the_end(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that does not answer holds up a worker for some seconds, and nothing for ever."""
    place = new_place()
    monkeypatch.setattr(unreadable, "_STORE_S", 0.0)
    async with bus_in(nats_server, place.cell) as bus:
        bury, error = Unreadable(bus, role()).bury, CodecError("none")
        verbs = [await bury(delivery(place, b"", attempt), error) for attempt in (1, 3, 4)]

    assert verbs == [NAK, NAK, TERM]
