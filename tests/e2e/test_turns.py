"""Turns with real engines: recorded speech in, words and speech out."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.llm import GenerationDone
from tests.e2e.client import PAUSE, Client, connected, log_of, word_error_rate
from tests.system import System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.loudness import first_audible_sample
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.model

AMIABLE = "he might even have been made amiable himself"
LEISURE = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in "
    "his power to do for them"
)
ORDER = (
    "turn_started",
    "reply_text",
    "audio_start",
    "latency",
    "reply_done",
    "audio_complete",
    "turn_ended",
)


def sample(name: str) -> np.ndarray:
    """Return one of the recorded sentences."""
    return read_wav(SAMPLES / f"{name}.wav")[1]


async def speak_live(client: Client, name: str) -> None:
    """Speak a sentence in real time and fall silent."""
    await client.speak(np.concatenate([sample(name), PAUSE]), pace=1.0)


async def test_a_spoken_turn_is_understood_and_answered(real_system: System) -> None:
    """A recorded sentence gives partials, a final, a reply in words and in audible speech."""
    async with connected(real_system, {}) as client:
        await speak_live(client, "austen-leisure")
        ended = await client.until("turn_ended")

    assert ended["outcome"] == "completed"
    final = client.messages("final")[0]
    assert word_error_rate(LEISURE, final["text"]) <= 0.10
    assert client.messages("partial")
    assert client.messages("speech_started")[0]["start_ms"] < 1_000
    assert 6_000 < final["end_ms"] < 7_600
    assert final["language"] == "en"
    assert 0.3 < final["confidence"] <= 1
    text = "".join(message["text"] for message in client.messages("reply_text"))
    assert text.strip() == client.messages("reply_done")[0]["text"] != ""
    complete = client.messages("audio_complete")[0]
    assert client.audio().size == pytest.approx(24_000 * complete["audio_seconds"], abs=24)
    assert first_audible_sample(client.audio(), 24_000) is not None
    assert not any("synthetic" in message for message in client.messages())
    assert client.messages("error") == []


async def test_the_messages_of_a_turn_come_in_their_order(real_system: System) -> None:
    """What a client is told follows the protocol's grammar, first audio right before latency."""
    async with connected(real_system, {}) as client:
        await client.send("text", text="Say hello to me.")
        await client.until("turn_ended")

    kinds = [m["type"] if isinstance(m, dict) else "audio" for m in client.heard]
    firsts = [kinds.index(kind) for kind in ("metadata", "ready", *ORDER[:4])]
    assert firsts == sorted(firsts)
    assert kinds[kinds.index("audio_start") + 1 :][:2] == ["audio", "latency"]
    assert kinds[-1] == "turn_ended"
    last_audio = len(kinds) - 1 - kinds[::-1].index("audio")
    assert last_audio < kinds.index("audio_complete")
    assert all(kinds.count(kind) == 1 for kind in ORDER if kind != "reply_text")


async def test_the_stages_explain_the_latency(real_system: System) -> None:
    """The answer is prepared while the end of the turn is awaited; nothing is unaccounted for."""
    async with connected(real_system, {}) as client:
        await speak_live(client, "austen-disposition")
        latency = await client.until("latency")
        await client.until("turn_ended")

    stages = {stage["name"]: stage for stage in latency["stages"]}
    assert list(stages) == ["hold", "stt", "llm", "tts", "edge"]
    assert stages["hold"]["start_ms"] == 0
    assert 150 < stages["hold"]["end_ms"] < 5_000  # the shortest pause that ends a turn is 192 ms
    assert stages["stt"]["end_ms"] == stages["llm"]["start_ms"]
    assert stages["llm"]["end_ms"] == stages["tts"]["start_ms"]
    awaited_ms = max(stages[name]["end_ms"] for name in ("hold", "stt", "llm", "tts"))
    assert stages["edge"]["start_ms"] == awaited_ms
    assert stages["edge"]["end_ms"] == latency["response_ms"]
    assert all(0 <= stage["start_ms"] <= stage["end_ms"] for stage in stages.values())


async def test_a_conversation_has_turns_and_a_memory(real_system: System) -> None:
    """Two spoken turns on one connection are numbered, and the second one knows the first."""
    async with connected(real_system, {}) as client:
        await speak_live(client, "austen-disposition")
        await client.until("turn_ended", turn=1, outcome="completed")
        await speak_live(client, "austen-amiable")
        await client.until("turn_ended", turn=2, outcome="completed")

    started = client.messages("turn_started")
    assert [message["turn"] for message in started] == [1, 2]
    assert word_error_rate(AMIABLE, started[1]["text"]) <= 0.10
    assert [m["utterance"] for m in client.messages("final")] == [1, 2]
    assert client.messages("final")[1]["start_ms"] > client.messages("final")[0]["end_ms"]


async def test_a_session_in_writing_gets_no_audio(real_system: System) -> None:
    """With ``output.audio`` false a typed turn is answered in words, with its latency."""
    async with connected(real_system, {"output": {"audio": False}}) as client:
        await client.send("text", text="What is a river?")
        await client.until("turn_ended", outcome="completed")

    assert client.audio().size == 0
    assert client.messages("audio_start") == []
    assert client.messages("audio_complete") == []
    assert client.messages("reply_done")[0]["text"]
    latency = client.messages("latency")[0]
    assert [stage["name"] for stage in latency["stages"]] == ["llm", "edge"]
    assert latency["response_ms"] > 0


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
async def test_the_reply_has_the_rate_that_was_asked_for(real_system: System, rate_hz: int) -> None:
    """Audio comes at the asked rate: the same words last about as long at each of them."""
    async with connected(real_system, {"output": {"sample_rate": rate_hz}}) as client:
        await client.send("text", text="Say hello to me.")
        await client.until("turn_ended", outcome="completed")

    assert client.messages("metadata")[0]["audio_info"]["sample_rate"] == rate_hz
    assert client.messages("audio_start")[0]["sample_rate"] == rate_hz
    seconds = client.messages("audio_complete")[0]["audio_seconds"]
    words = len(client.messages("reply_done")[0]["text"].split())
    assert client.audio().size == pytest.approx(rate_hz * seconds, abs=rate_hz / 1000)
    assert 0.15 < seconds / words < 1.2  # people speak two to five words a second


async def test_the_llm_says_which_model_answered(real_system: System) -> None:
    """The log names the model of each reply and how long it took."""
    async with connected(real_system, {"output": {"audio": False}}) as client:
        await client.send("text", text="Name a colour.")
        await client.until("turn_ended", outcome="completed")
        session = client.messages("metadata")[0]["session_id"]

    done = [e for e in await log_of(real_system, session) if isinstance(e, GenerationDone)]
    assert len(done) == 1
    assert "SmolLM2" in done[0].model
    assert 0 < done[0].ttft_ms <= done[0].duration_ms
    assert done[0].synthetic is False
