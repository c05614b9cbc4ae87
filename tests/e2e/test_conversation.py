"""A conversation at the pace of people: early answers, interruptions, and what was heard."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.session import PlaybackEnded
from services.tts.engines.piper import PiperEngine
from tests.e2e.client import PAUSE, Client, Listener, connected, expect_healthy, log_of
from tests.pipers import joe
from tests.system import System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.model

LONG = "Tell me a long story about a river, a boat and an old man. Say as much as you can."


def sample(name: str) -> NDArray[np.int16]:
    """Return one of the recorded sentences."""
    return read_wav(SAMPLES / f"{name}.wav")[1]


async def spoken(text: str) -> NDArray[np.int16]:
    """Return words in the voice of the machine, as a caller would say them."""
    engine = PiperEngine(joe())
    await engine.warm()
    pieces = [piece async for piece in engine.synthesise(text, "", 1.0)]
    await engine.close()
    resampler = Resampler(engine.sample_rate_hz, 16_000)
    return np.concatenate([*(resampler.push(piece) for piece in pieces), resampler.finish()])


async def speak(client: Client, *parts: NDArray[np.int16]) -> None:
    """Say this in real time."""
    await client.speak(np.concatenate(parts), pace=1.0)


async def silent_until(client: Client, *awaited: asyncio.Task[dict[str, object]]) -> None:
    """Stay on the line: the clock of endpointing is the audio."""
    while not all(task.done() for task in awaited):
        await speak(client, PAUSE[:1600])


async def test_an_answer_is_made_inside_the_wait_for_the_end(real_system: System) -> None:
    """Recognition begins before the turn is over, and what was made early is what is heard."""
    before = real_system.metric("turn", "voicebus_speculations_total", outcome="used")
    async with connected(real_system, {}) as client:
        await speak(client, sample("austen-amiable"), PAUSE)
        latency = await client.until("latency")
        await client.until("turn_ended", outcome="completed")

    stages = {stage["name"]: stage for stage in latency["stages"]}
    assert stages["stt"]["start_ms"] < stages["hold"]["end_ms"]
    assert real_system.metric("turn", "voicebus_speculations_total", outcome="used") == before + 1
    assert len(client.messages("turn_started")) == 1


async def test_words_interrupt_the_reply_and_the_history_keeps_what_was_heard(
    real_system: System,
) -> None:
    """Pause, flush, the words that were played, and then the answer to the interruption."""
    async with connected(real_system, {}) as client:
        client.listener = Listener.SILENT
        await client.send("text", text=LONG)
        await client.until("audio_start")
        await asyncio.sleep(1.0)
        await speak(client, sample("austen-amiable"), PAUSE)
        pause = await client.until("pause", turn=1)
        flush = await client.until("flush", turn=1)
        ended = await client.until("turn_ended", turn=1)
        await client.until("turn_started", turn=2)

    assert client.heard.index(pause) < client.heard.index(flush) < client.heard.index(ended)
    assert ended["outcome"] == "interrupted"
    told = client.messages("spoken", turn=1)
    whole = " ".join(piece["text"] for piece in told)
    ends = [end for piece in told for end in piece["word_ends_ms"]]
    heard = [end for end in ends if end <= ended["heard_ms"]]
    assert 500 <= ended["heard_ms"] <= 2_500
    assert ended["reply"].split() == whole.split()[: len(heard)]
    log = await log_of(real_system, client.messages("metadata")[0]["session_id"])
    played = [event for event in log if isinstance(event, PlaybackEnded)]
    assert [(event.turn, event.played_ms) for event in played[:1]] == [(1, ended["heard_ms"])]


async def test_a_backchannel_does_not_end_the_reply(real_system: System) -> None:
    """The reply pauses, goes on, and is heard to its end."""
    okay = await spoken("Okay.")
    async with connected(real_system, {}) as client:
        client.listener = Listener.SILENT
        await client.send("text", text=LONG)
        await client.until("audio_start")
        await asyncio.sleep(0.5)
        await speak(client, okay, PAUSE)
        ended = asyncio.create_task(client.until("turn_ended", turn=1))
        await silent_until(client, ended)

    assert client.messages("pause", turn=1)
    assert client.messages("resume", turn=1)
    assert (await ended)["outcome"] == "completed"
    assert client.messages("turn_started")[1:] == []


async def test_an_interruption_in_the_first_moment_of_a_reply(real_system: System) -> None:
    """Hardly anything was heard, and nothing of it is said to have been."""
    async with connected(real_system, {}) as client:
        client.listener = Listener.SILENT
        await client.send("text", text=LONG)
        await client.until("audio_start")
        await client.speak(np.concatenate([sample("austen-amiable"), PAUSE]))
        ended = await client.until("turn_ended", turn=1)
        await client.until("turn_started", turn=2)

    assert ended["outcome"] == "interrupted"
    assert ended["heard_ms"] < 1_500


async def test_ten_interruptions_in_a_row(synthetic_system: System) -> None:
    """Each ends one reply, none is left open, and the session goes on."""
    speech = sample("austen-amiable")
    start = {"interruption": {"min_words": 0}}
    async with connected(synthetic_system, start) as client:
        client.listener = Listener.SILENT
        for turn in range(1, 11):
            await client.speak(np.concatenate([speech, PAUSE, PAUSE]))
            await client.until("audio_start", turn=turn)
        await client.speak(speech)
        await client.until("turn_ended", turn=10)

    ended = client.messages("turn_ended")
    assert [message["turn"] for message in ended] == list(range(1, 11))
    assert {message["outcome"] for message in ended} == {"interrupted"}
    assert client.messages("error") == []


async def test_a_speaker_who_never_stops_is_answered(synthetic_system: System) -> None:
    """After the longest turn, with all that was said until then as one turn."""
    speech = np.concatenate([sample("austen-amiable")[4_000:40_000]] * 27)
    async with connected(synthetic_system, {"max_turn_s": 30}) as client:
        await client.speak(speech)
        started = await client.until("turn_started")

    parts = client.messages("final")
    assert len(parts) >= 2
    assert started["text"] == " ".join(
        part["text"] for part in parts[: started["text"].count("of")]
    )


async def test_two_people_talking_cost_nobody_else_anything(real_system: System) -> None:
    """Whatever is understood, there is an answer or none, and no error."""
    one, other = sample("austen-amiable"), sample("austen-disposition")
    size = min(len(one), len(other))
    both = (one[:size] // 2 + other[:size] // 2).astype(np.int16)
    async with connected(real_system, {}) as client:
        await speak(client, both, PAUSE)
        await client.send("end_stream")
        await client.until("final")
        await expect_healthy(real_system)

    assert client.messages("error") == []


@pytest.mark.parametrize("played_ms", [1e9, 3_600_000, 0.25])
async def test_absurd_playback_is_bounded_by_what_was_sent(
    synthetic_system: System, played_ms: float
) -> None:
    """Nobody can have heard more than there was; an impossible number is refused in words."""
    async with connected(synthetic_system, {}) as client:
        client.listener = Listener.SILENT
        await client.send("text", text="hello")
        await client.until("audio_start")
        await client.send("played", turn=1, played_ms=played_ms)
        await client.send("played", turn=99, played_ms=5)
        await client.send("cancel")
        await client.send("flushed", turn=1, played_ms=played_ms)
        ended = await client.until("turn_ended", turn=1)

    sent_ms = client.audio().size / 24
    assert ended["heard_ms"] <= sent_ms
    assert [error["code"] for error in client.messages("error")] == (
        ["bad_field"] * 2 if played_ms == 1e9 else []
    )


async def test_a_greeting_and_silence(synthetic_system: System) -> None:
    """The assistant speaks first, asks after silence, and hangs up in the end."""
    start = {
        "greeting": "Good morning.",
        "silence": {"prompt": "Still there?", "prompt_after_s": 0.5, "hang_up_after_s": 1.5},
    }
    async with connected(synthetic_system, start) as client:
        code = await client.until_closed()

    assert code == 1000
    assert [m["said"] for m in client.messages("turn_started")] == ["Good morning.", "Still there?"]
    assert client.messages("hang_up")[0]["reason"] == "silence"
    assert client.audio().size


async def test_keys_are_a_turn(synthetic_system: System) -> None:
    """As a telephone sends them."""
    async with connected(synthetic_system, {}) as client:
        await client.send("keys", digits="12#")
        started = await client.until("turn_started")

    assert "12#" in started["text"]


async def test_a_muted_caller_is_not_heard(synthetic_system: System) -> None:
    """Silence takes the place of the audio, and time goes on."""
    async with connected(synthetic_system, {}) as client:
        await client.send("mute", muted=True)
        await client.speak(np.concatenate([sample("austen-amiable"), PAUSE]))
        await client.send("end_stream")
        await client.until("nothing_heard")
        await client.send("mute", muted=False)
        assert client.messages("speech_started") == []
        await client.speak(np.concatenate([sample("austen-amiable"), PAUSE]))
        await client.until("turn_started")
