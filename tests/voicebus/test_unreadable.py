"""Jobs that a worker cannot read, against a real server: kept for people, told to no session."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from schemas.codec import encode
from schemas.llm import GenerateRequest, Message
from schemas.stt import TranscriptFinal
from subjects.catalog import Place, session_log, subject_of
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, jobs_left, new_place, until, until_done, worker_in
from voicebus import metrics, unreadable
from voicebus.bus.client import Bus
from voicebus.bus.delivery import NAK, TERM, Delivery
from voicebus.dead_letters import Kept, kept, retry
from voicebus.errors import CodecError
from voicebus.unreadable import KEPT_BYTES, KEPT_PER_MIN, WHOLE_BYTES_PER_MIN, Unreadable

UNKNOWN = msgspec.msgpack.encode({"type": "of.tomorrow"})
DEEP = b"\x82\xa1x" + b"\x91" * 5_000
FORGED = encode(TranscriptFinal(utterance=1, text="I agree", start_ms=0, end_ms=10, end_offset=160))


async def letters(bus: Bus) -> list[Kept]:
    """What was buried in the cell."""
    return [letter async for letter in kept(bus)]


def delivery(place: Place, payload: bytes, attempt: int = 1) -> Delivery:
    """A job as the server hands it out."""
    return Delivery(subject_of(GenerateRequest, place, job="7-2"), payload, "", attempt, 1, 1)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xc1", "DecodeError"),
        (DEEP, "RecursionError"),
        (UNKNOWN, "of.tomorrow"),
        (FORGED, "TranscriptFinal"),
    ],
    ids=["garbage", "depth", "unknown", "forged"],
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
    with pytest.raises(CodecError):
        only.request()
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
    assert dead.letter.cut_bytes == 1
    assert f"of {KEPT_BYTES + 1} bytes" in dead.letter.reason
    assert len(dead.letter.reason) < 500


LONG = "x" * (WHOLE_BYTES_PER_MIN // 2)


@pytest.mark.parametrize(
    "of_tomorrow",
    [
        {"type": "of.tomorrow", "text": LONG},
        {"type": "llm.request", "turn": "the first", "messages": [], "text": LONG},
    ],
    ids=["type", "field"],
)
async def test_a_job_of_another_release_is_kept_whole(
    nats_server: str, of_tomorrow: dict[str, object]
) -> None:
    """However long it is: the release that made it can try it again."""
    place, payload = new_place(), msgspec.msgpack.encode(of_tomorrow)
    job = delivery(place, payload)
    with pytest.raises(CodecError) as wrong:
        unreadable.read(job)
    async with bus_in(nats_server, place.cell) as bus:
        assert await Unreadable(bus, role()).bury(job, wrong.value) == TERM
        (dead,) = await letters(bus)

    assert len(payload) > 10 * KEPT_BYTES
    assert (dead.letter.request, dead.letter.cut_bytes) == (payload, 0)
    with pytest.raises(CodecError, match="no message that this release knows"):
        dead.request()


async def test_a_job_that_came_before_its_release_is_tried_again_with_it(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an update a worker does not know it; when all are of one release it waits
    for them as it was.
    """
    place = new_place()
    request = GenerateRequest(turn=7, messages=(Message(role="user", content=LONG),))
    job = delivery(place, encode(request))
    async with bus_in(nats_server, place.cell) as bus:
        with monkeypatch.context() as before:
            older = msgspec.msgpack.Decoder(TranscriptFinal)
            before.setattr(unreadable, "decode", older.decode)
            with pytest.raises(CodecError) as wrong:
                unreadable.read(job)
            assert await Unreadable(bus, role()).bury(job, wrong.value) == TERM
        (dead,) = await letters(bus)

        await retry(bus, dead)

        waiting = await bus.last("JOBS", job.subject)
        assert await letters(bus) == []
        assert await jobs_left(bus, "llm") == 1
    assert waiting is not None
    assert waiting.payload == encode(request)


async def test_long_ones_are_kept_whole_as_far_as_a_minute_has_room(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the longest fits; who sends more costs the other letters no more than that, and what
    belongs elsewhere is cut at once.
    """
    place = new_place()
    empty = len(msgspec.msgpack.encode({"type": "of.tomorrow", "text": LONG})) - len(LONG)
    text = "x" * (WHOLE_BYTES_PER_MIN - empty)
    longest = msgspec.msgpack.encode({"type": "of.tomorrow", "text": text})
    final = TranscriptFinal(utterance=1, text=LONG, start_ms=0, end_ms=10, end_offset=160)
    error = CodecError("none")
    async with bus_in(nats_server, place.cell) as bus:
        bury = Unreadable(bus, role()).bury
        for payload in (encode(final), longest, longest):
            assert await bury(delivery(place, payload), error) == TERM
        monkeypatch.setattr(unreadable, "_WINDOW_S", 0.0)
        assert await bury(delivery(place, longest), error) == TERM
        kept_bytes = [len(dead.letter.request) for dead in await letters(bus)]
        (_, _, cut, _) = await letters(bus)

    assert len(longest) == WHOLE_BYTES_PER_MIN
    assert kept_bytes == [KEPT_BYTES, WHOLE_BYTES_PER_MIN, KEPT_BYTES, WHOLE_BYTES_PER_MIN]
    with pytest.raises(CodecError, match="no release can read it"):
        cut.request()


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
