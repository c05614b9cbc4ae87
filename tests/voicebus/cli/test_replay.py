"""``voicebus replay``: what was recorded comes back as it was."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from schemas.audio import AudioChunk, AudioEnded
from schemas.event import Event
from schemas.session import SessionClosed, SessionOpened
from schemas.stt import TranscriptFinal
from schemas.tts import ReplyChunk
from schemas.turn import TurnEnded, TurnStarted
from subjects.catalog import Place
from tests.voicebus.cli.loopback import silent_port
from tests.workers import bus_in, new_place
from voicebus.audio.wav import read_wav
from voicebus.cli.main import main
from voicebus.cli.replay import caller_audio

AUDIO = np.random.default_rng(3).integers(-30_000, 30_000, 16_000).astype(np.int16)
REPLY = np.random.default_rng(4).integers(-30_000, 30_000, 4_800).astype(np.int16)


def conversation() -> list[Event]:
    """A session's events, in the order in which they happen."""
    chunks = [
        AudioChunk(pcm=AUDIO[first : first + 320].tobytes(), offset=first)
        for first in range(0, len(AUDIO), 320)
    ]
    return [
        SessionOpened(client="websocket"),
        *chunks,
        AudioEnded(offset=len(AUDIO)),
        TranscriptFinal(utterance=1, text="hello", start_ms=0, end_ms=900, end_offset=14_400),
        TurnStarted(turn=1, text="hello"),
        ReplyChunk(pcm=REPLY[:2400].tobytes(), rate_hz=24_000, offset=0, turn=1),
        ReplyChunk(pcm=REPLY[2400:].tobytes(), rate_hz=24_000, offset=2400, turn=1, seq=1),
        TurnEnded(outcome="completed", reply="Hello.", turn=1),
        SessionClosed(),
    ]


async def record(url: str, place: Place) -> None:
    """Let the conversation happen."""
    async with bus_in(url, place.cell) as bus:
        for event in conversation():
            await bus.store(event, place)


@pytest.fixture
def place(nats_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A recorded session, on the bus that the settings name."""
    place = new_place()
    asyncio.run(record(nats_server, place))
    monkeypatch.setenv("VOICEBUS_NATS_URL", nats_server)
    monkeypatch.setenv("VOICEBUS_CELL", place.cell)
    monkeypatch.chdir(tmp_path)
    return place


def test_every_event_is_printed_in_order(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """With its time from the session's start, its name and its fields."""
    assert main(["replay", place.session]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [
        str(event.__struct_config__.tag) for event in conversation()
    ]
    times = [float(line.split()[0]) for line in lines]
    assert times[0] == 0.0
    assert times == sorted(times)
    assert "text='hello'" in next(line for line in lines if "stt.final" in line)


def test_the_callers_audio_is_the_same_sample_for_sample(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As is the answer's."""
    assert main(["replay", place.session, "--reply-wav", str(tmp_path / "reply.wav")]) == 0

    rate_hz, audio = read_wav(tmp_path / f"{place.session}.wav")
    reply_rate_hz, reply = read_wav(tmp_path / "reply.wav")
    assert rate_hz == 16_000
    assert np.array_equal(audio, AUDIO)
    assert reply_rate_hz == 24_000
    assert np.array_equal(reply, REPLY)
    assert f"1.00 s of the caller in {place.session}.wav" in capsys.readouterr().err


def test_programs_get_one_object_per_event(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Time, subject, sequence, type and fields; audio as its size."""
    assert main(["replay", place.session, "--json"]) == 0

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) == len(conversation())
    assert all({"at_s", "subject", "sequence", "type"} <= set(event) for event in events)
    chunk = next(event for event in events if event["type"] == "audio.chunk")
    assert chunk["pcm"] == "<640 bytes>"


def test_the_last_session_has_a_name(
    place: Place, nats_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`last` is the one that was heard of last."""
    assert main(["replay", "last", "--json"]) == 0

    subjects = {json.loads(line)["subject"] for line in capsys.readouterr().out.splitlines()}
    assert all(place.session in subject for subject in subjects)


def test_what_was_never_recorded_is_said_so(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No empty file, and not the code of success."""
    assert main(["replay", "unknown"]) != 0
    assert "nothing is recorded of session unknown" in capsys.readouterr().err
    assert list(tmp_path.glob("*.wav")) == []


@pytest.mark.parametrize("name", ["a.b", "*", ">", "a b", ""])
def test_what_is_no_name_of_a_session_is_refused(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wildcard would mix the sessions of others."""
    assert main(["replay", name]) == 2
    assert "not a session id" in capsys.readouterr().err


def test_without_a_bus_the_command_says_where_it_looked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not wait for ever, and repeats no password."""
    monkeypatch.setattr("voicebus.operator._CONNECT_S", 0.5)
    address = f"127.0.0.1:{silent_port()}"
    monkeypatch.setenv("VOICEBUS_NATS_URL", f"nats://me:secret@{address}")

    assert main(["replay", "s1"]) == 1
    assert f"no bus answers at nats://{address}" in capsys.readouterr().err


def test_missing_audio_is_silence_at_its_place() -> None:
    """What follows a gap keeps its time."""
    audio = caller_audio(
        [AudioChunk(pcm=b"\x01\x00", offset=0), AudioChunk(pcm=b"\x02\x00", offset=3)]
    )

    assert audio.tolist() == [1, 0, 0, 2]
    assert len(caller_audio([])) == 0


def test_audio_that_was_stored_twice_is_written_once() -> None:
    """A connection broke, and what it had not acknowledged was sent again."""
    chunks = [event for event in conversation() if isinstance(event, AudioChunk)]

    assert np.array_equal(caller_audio([*chunks[:30], *chunks[20:]]), AUDIO)
