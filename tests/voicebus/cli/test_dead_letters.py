"""``voicebus dead-letters``: jobs that were given up are seen, tried again and dropped."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from schemas.codec import encode
from schemas.dead import DeadLetter
from schemas.llm import GenerateRequest, Message
from schemas.stt import TranscriptFinal
from schemas.tts import SpeakRequest
from subjects.catalog import Place, subject_of
from tests.voicebus.cli.loopback import silent_port
from tests.workers import beside, bus_in, jobs_left, new_place
from voicebus.cli.main import main

REQUEST = GenerateRequest(turn=3, revision=1, messages=(Message(role="user", content="boo"),))


def letter(reason: str, request: bytes) -> DeadLetter:
    """A job that was given up."""
    return DeadLetter(
        role="llm",
        request=request,
        reason=reason,
        failures=3,
        workers=("a", "b", "c"),
        first_ns=1_700_000_000_000_000_000,
        last_ns=1_700_000_005_000_000_000,
        turn=3,
        revision=1,
    )


@pytest.fixture
def place(nats_server: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A session with a dead letter, beside another whose job is no message."""
    place = new_place()

    async def bury() -> None:
        async with bus_in(nats_server, place.cell) as bus:
            good = letter("KeyError: 'x'", encode(REQUEST))
            await bus.store(good, place, job="3-1", role="llm")
            bad = letter("\x1b[2J\n" + "r" * 100, b"\xff")
            await bus.store(bad, beside(place), job="3-1", role="llm")

    asyncio.run(bury())
    monkeypatch.setenv("VOICEBUS_NATS_URL", nats_server)
    monkeypatch.setenv("VOICEBUS_CELL", place.cell)
    return place


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """What is there, by the command's own listing."""
    assert main(["dead-letters", "list", "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_letter_is_a_line(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Short enough for a terminal, with what it takes to find the session."""
    assert main(["dead-letters", "list"]) == 0

    good, bad = capsys.readouterr().out.splitlines()
    assert place.session in good
    assert good.endswith("3x  KeyError: 'x'")
    assert "3x  \\u001b[2J r" in bad
    assert bad.endswith("r…")
    assert max(len(good), len(bad)) < 160


def test_a_letter_is_shown_with_its_job(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """All that is known, for whoever looks for the reason."""
    number = str(listed(capsys)[0]["number"])

    assert main(["dead-letters", "show", number]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["session"], shown["job"], shown["role"]) == (place.session, "3-1", "llm")
    assert shown["workers"] == ["a", "b", "c"]
    assert shown["first"] == "2023-11-14T22:13:20+00:00"
    assert shown["request"]["messages"] == [{"role": "user", "content": "boo"}]


def test_a_letter_is_tried_again(
    place: Place, nats_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its job waits for a worker as it was, and the letter is gone."""
    good, bad = listed(capsys)

    assert main(["dead-letters", "retry", str(good["number"])]) == 0

    async def waiting() -> tuple[int, bytes | None]:
        async with bus_in(nats_server, place.cell) as bus:
            job = await bus.last("JOBS", subject_of(GenerateRequest, place, job="3-1"))
            return await jobs_left(bus, "llm"), job.payload if job else None

    assert asyncio.run(waiting()) == (1, encode(REQUEST))
    capsys.readouterr()
    assert listed(capsys) == [bad]


@pytest.mark.usefixtures("place")
def test_what_is_no_job_is_not_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    """It stays, and the command says why."""
    before = listed(capsys)

    assert main(["dead-letters", "retry", str(before[1]["number"])]) == 1

    assert "no message of any release" in capsys.readouterr().err
    assert listed(capsys) == before


def test_a_letter_with_the_rights_of_another_role_is_not_tried_again(
    place: Place, nats_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stolen key stores letters of its own role alone, and what they say of theirs is nothing:
    the admin publishes no job for it that it may not publish itself.
    """

    async def bury() -> None:
        async with bus_in(nats_server, place.cell) as bus:
            forged = letter("KeyError: 'x'", encode(REQUEST))
            await bus.store(forged, place, job="forged", role="tts")

    async def left() -> int:
        async with bus_in(nats_server, place.cell) as bus:
            return await jobs_left(bus, "llm")

    asyncio.run(bury())
    before = listed(capsys)
    forged = before[-1]

    assert main(["dead-letters", "retry", str(forged["number"])]) == 1

    assert "says that it is of 'llm' and was stored with the rights of 'tts'" in (
        capsys.readouterr().err
    )
    assert asyncio.run(left()) == 0
    assert listed(capsys) == before
    assert (forged["role"], forged["request"]) == ("tts", None)


def test_why_a_job_cannot_be_tried_again_is_told(
    place: Place, nats_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of another release waits for its release; one that was cut never comes back, though its
    beginning reads like a job.
    """
    unknown = msgspec.msgpack.encode({"type": "of.tomorrow", "text": "x" * 100_000})
    whole = letter("unknown", unknown)
    cut = msgspec.structs.replace(letter("cut", encode(REQUEST)), cut_bytes=7)

    async def bury() -> None:
        async with bus_in(nats_server, place.cell) as bus:
            for name, dead in (("whole", whole), ("cut", cut)):
                await bus.store(dead, place, job=name, role="llm")

    async def left() -> int:
        async with bus_in(nats_server, place.cell) as bus:
            return await jobs_left(bus, "llm")

    asyncio.run(bury())
    *_, later, never = (str(entry["number"]) for entry in listed(capsys))

    assert main(["dead-letters", "retry", later]) == 1
    assert "'of.tomorrow', is no message that this release knows" in capsys.readouterr().err
    assert main(["dead-letters", "retry", never]) == 1
    assert "the last 7 are lost: no release can read it" in capsys.readouterr().err
    assert asyncio.run(left()) == 0


def test_what_belongs_elsewhere_is_not_tried_again(
    place: Place, nats_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The admin may write anything, and is nobody's deputy: a forged job stays what it is."""
    forged = TranscriptFinal(utterance=1, text="I agree", start_ms=0, end_ms=10, end_offset=160)
    spoken = SpeakRequest(turn=1)

    async def bury() -> None:
        async with bus_in(nats_server, place.cell) as bus:
            for number, request in enumerate((forged, spoken)):
                bad = letter("no job", encode(request))
                await bus.store(bad, place, job=f"forged-{number}", role="llm")

    async def said() -> object:
        async with bus_in(nats_server, place.cell) as bus:
            assert await jobs_left(bus, "tts") == 0
            return await bus.last("SESSION", subject_of(TranscriptFinal, place))

    asyncio.run(bury())
    *_, one, other = listed(capsys)
    for dead in (one, other):
        assert main(["dead-letters", "retry", str(dead["number"])]) == 1
        assert "no job of its role" in capsys.readouterr().err

    assert asyncio.run(said()) is None
    assert one["unreadable"] == encode(forged).hex()


@pytest.mark.usefixtures("place")
def test_letters_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    """For good, as many as are named; one that is gone already is an error."""
    numbers = [str(entry["number"]) for entry in listed(capsys)]

    assert main(["dead-letters", "drop", *numbers]) == 0
    capsys.readouterr()

    assert listed(capsys) == []
    assert main(["dead-letters", "drop", numbers[0]]) == 1
    assert f"no dead letter {numbers[0]}" in capsys.readouterr().err


def test_without_a_bus_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, code 1."""
    monkeypatch.setenv("VOICEBUS_NATS_URL", f"nats://127.0.0.1:{silent_port()}")
    monkeypatch.setattr("voicebus.operator._CONNECT_S", 0.3)

    assert main(["dead-letters", "list"]) == 1
    assert "no bus answers" in capsys.readouterr().err
