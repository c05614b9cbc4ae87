"""``voicebus voices``: what is kept is shown and removed, and what is no voice is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from schemas.voice import PhraseKept, VoiceKept
from services.tts.library import Library
from subjects.voices import phrase_subject, voice_subject
from tests.workers import bus_in, new_place, until
from voicebus.audio.wav import wav_header, write_wav
from voicebus.bus.client import Bus
from voicebus.cli.main import main
from voicebus.parts import free_port, project_root

ANNA = VoiceKept(
    model="5f0c",
    latents=b"\x00\x00\x80\x3f",
    shape=(1, 1, 1),
    speaker=b"\x00\x00\x00\x40",
    seconds=12.5,
    consent="Anna Berg, form 17",
    licence="CPML",
    made="2026-11-22T20:00:00Z",
)
SAMPLE = str(project_root() / "examples" / "samples" / "austen-leisure.wav")


@pytest.fixture
def cell(nats_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cell in which there is a voice."""
    name = new_place().cell

    async def keep() -> None:
        async with bus_in(nats_server, name) as bus:
            await bus.keep(ANNA, voice_subject(name, "anna"), 0)

    asyncio.run(keep())
    monkeypatch.setenv("VOICEBUS_NATS_URL", nats_server)
    monkeypatch.setenv("VOICEBUS_CELL", name)
    return name


def test_a_voice_is_shown_with_its_consent_and_licence(
    cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who agreed to it, to what its weights oblige, and what it was made of."""
    assert main(["voices", "list"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "anna: 12 s, 2026-11-22T20:00:00Z",
        "  consent: Anna Berg, form 17",
        "  licence: CPML",
    ]


def test_a_voice_that_is_removed_is_gone_at_every_worker(
    cell: str, nats_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a restart; its latents and what was said with them are in no stream any more."""

    async def watch() -> tuple[list[int], list[str], list[str]]:
        library, elsewhere = Library(), new_place().cell
        async with bus_in(nats_server, cell) as bus, bus_in(nats_server, elsewhere) as other:
            await library.follow(bus)
            for neighbour in (bus, other):
                phrase = PhraseKept(pcm=b"\x00\x01", rate_hz=24_000)
                await neighbour.keep(phrase, phrase_subject(neighbour.cell, "5f0c"), 0)
            assert "anna" in library.voices
            assert await asyncio.to_thread(main, ["voices", "remove", "anna"]) == 0
            await until(lambda: "anna" not in library.voices)
            await library.close()
            return await latents(bus), await phrases(bus), await phrases(other)

    of_voices, said, said_elsewhere = asyncio.run(watch())
    assert (of_voices, said, len(said_elsewhere)) == ([0], [], 1)
    capsys.readouterr()
    assert main(["voices", "list"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["voices", "remove", "anna"]) == 1
    assert "there is no voice 'anna'" in capsys.readouterr().err


async def phrases(bus: Bus) -> list[str]:
    """The phrases that the stream holds."""
    subject = phrase_subject(bus.cell, "*")
    return [message.subject async for message in bus.read("PHRASE", subject)]


async def latents(bus: Bus) -> list[int]:
    """How many bytes of latents each message has that the stream holds."""
    subject = voice_subject(bus.cell, "*")
    return [len(message.payload) // 80 async for message in bus.read("VOICE", subject)]


@pytest.mark.model
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bert", SAMPLE, "--consent", " "], "--consent says who agreed"),
        (["bert", SAMPLE, "--consent", "x"], "no model: --model DIR"),
        (["anna", SAMPLE, "--consent", "x", "--model", "m"], "a voice 'anna' already: --replace"),
        (["bert", "none.wav", "--consent", "x", "--model", "m"], "none.wav: No such file"),
        (["bert", SAMPLE, "--consent", "x", "--model", "m"], "licence of the weights has to be"),
    ],
)
def test_what_cannot_be_added_is_told(
    cell: str, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """One sentence, and nothing is kept."""
    assert main(["voices", "add", *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.model
def test_a_sample_without_speech_is_no_voice(
    cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is loaded, and before anybody is asked to accept a licence."""
    path = tmp_path / "hiss.wav"
    write_wav(path, np.random.default_rng(1).normal(0, 900, 80_000).astype(np.int16), 16_000)

    assert main(["voices", "add", "b", str(path), "--consent", "x", "--model", "m"]) == 1
    told = capsys.readouterr().err
    assert "hiss.wav: nobody speaks in it" in told
    assert "Licen" not in told


@pytest.mark.parametrize("name", ["a b", "../a", "", "a" * 65, "a.b"])
def test_a_name_is_one_word(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a part of a subject."""
    with pytest.raises(SystemExit):
        main(["voices", "add", name, SAMPLE, "--consent", "x"])
    assert "letters, digits, - and _" in capsys.readouterr().err


def test_without_a_bus_nobody_waits_for_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person is told at once what a process would wait for."""
    monkeypatch.setattr("voicebus.operator._CONNECT_S", 0.5)
    monkeypatch.setenv("VOICEBUS_NATS_URL", f"nats://127.0.0.1:{free_port()}")

    assert main(["voices", "list"]) == 1
    assert "no bus answers" in capsys.readouterr().err


@pytest.mark.model
def test_a_sample_of_ten_hours_is_refused_and_nothing_is_kept(
    cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name, its size and what is the most, before anything of it is read."""
    path, size = tmp_path / "day.wav", 10 * 3600 * 16_000 * 2
    with path.open("wb") as file:
        file.write(wav_header(16_000, size))
        file.truncate(44 + size)

    code = main(["voices", "add", "bert", str(path), "--consent", "x", "--model", "m"])

    told = capsys.readouterr()
    assert (code, told.out) == (1, "")
    assert "day.wav: 1098 MB are more than ten minutes of samples." in told.err
    assert len(told.err.splitlines()) == 1
    assert main(["voices", "list"]) == 0
    assert "bert" not in capsys.readouterr().out
