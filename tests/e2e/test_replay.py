"""What was recorded of a session is what happened in it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from schemas.audio import AudioChunk, AudioEnded
from schemas.claim import Claimed
from schemas.llm import ClauseReady, GenerationDone, TokenDelta
from schemas.session import SessionClosed, SessionOpened, UserText
from schemas.stt import TranscriptFinal
from schemas.tts import ReplyChunk, SpeechDone
from schemas.turn import TurnEnded, TurnStarted
from tests.e2e.client import PAUSE, Client, connected, expect_eventually, log_of
from tests.system import System
from tests.voicebus.audio.recordings import sentence
from voicebus.audio.wav import read_wav
from voicebus.cli.replay import caller_audio

pytestmark = pytest.mark.model

VOICEBUS = Path(sys.executable).with_name("voicebus")
SAID = np.concatenate([sentence(), PAUSE])


async def have_a_conversation(system: System) -> tuple[str, Client]:
    """Speak a turn, type another, leave; return the session's id and what was heard."""
    async with connected(system, {"output": {"sample_rate": 16_000}}) as client:
        await client.speak(SAID)
        await client.until("turn_ended", turn=1, outcome="completed")
        await client.send("text", text="and this is typed")
        await client.until("turn_ended", turn=2, outcome="completed")
    session = client.messages("metadata")[0]["session_id"]

    async def is_closed() -> bool:
        return any(isinstance(event, SessionClosed) for event in await log_of(system, session))

    await expect_eventually(is_closed, "the session's end is in the log")
    return session, client


async def test_the_log_has_the_callers_audio_sample_for_sample(real_system: System) -> None:
    """The recorded audio is exactly what the client sent, without a gap and without more."""
    session, _ = await have_a_conversation(real_system)

    log = await log_of(real_system, session)

    assert np.array_equal(caller_audio(log), SAID)
    chunks = [event for event in log if isinstance(event, AudioChunk)]
    ends = [chunk.offset + len(chunk.pcm) // 2 for chunk in chunks]
    assert [chunk.offset for chunk in chunks] == [0, *ends[:-1]]
    assert not any(isinstance(event, AudioEnded) for event in log)


async def test_the_log_has_every_event_in_its_order(synthetic_system: System) -> None:
    """Each turn's events are there, whole, in the order of their causes."""
    session, client = await have_a_conversation(synthetic_system)

    log = await log_of(synthetic_system, session)

    assert isinstance(log[0], SessionOpened)
    assert isinstance(log[-1], SessionClosed)
    assert {event.role for event in log if isinstance(event, Claimed)} == {
        "stt",
        "turn",
        "llm",
        "tts",
    }
    for turn in (1, 2):
        kinds = [type(event) for event in log if event.turn == turn]
        order = [kinds.index(k) for k in (TokenDelta, ClauseReady, GenerationDone, TurnEnded)]
        assert order == sorted(order)
        assert kinds.index(ClauseReady) < kinds.index(ReplyChunk) < kinds.index(SpeechDone)
        assert kinds.index(SpeechDone) < kinds.index(TurnEnded)
        assert all(kinds.count(kind) == 1 for kind in (TurnStarted, GenerationDone, SpeechDone))
        tokens = [e for e in log if isinstance(e, TokenDelta) and e.turn == turn]
        assert [event.seq for event in tokens] == list(range(len(tokens)))
        told = "".join(m["text"] for m in client.messages("reply_text", turn=turn))
        assert "".join(event.text for event in tokens) == told
    assert [event.text for event in log if isinstance(event, UserText)] == ["and this is typed"]
    finals = [event.text for event in log if isinstance(event, TranscriptFinal)]
    assert finals == [message["text"] for message in client.messages("final")]
    reply = b"".join(event.pcm for event in log if isinstance(event, ReplyChunk))
    assert reply == client.audio().tobytes()


async def test_the_command_writes_the_audio_and_prints_the_events(
    synthetic_system: System, tmp_path: Path
) -> None:
    """``voicebus replay`` of the last session gives its WAVs and one JSON object per event."""
    session, client = await have_a_conversation(synthetic_system)
    wav, reply = tmp_path / "caller.wav", tmp_path / "reply.wav"
    command = [
        *(str(VOICEBUS), "replay", "last", "--json"),
        *("--wav", str(wav), "--reply-wav", str(reply)),
    ]

    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=synthetic_system.environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(f".{session}." in event["subject"] for event in events)
    assert [event["at_s"] for event in events] == sorted(event["at_s"] for event in events)
    assert (events[0]["type"], events[-1]["type"]) == ("session.opened", "session.closed")
    assert np.array_equal(read_wav(wav)[1], SAID)
    assert np.array_equal(read_wav(reply)[1], client.audio())
