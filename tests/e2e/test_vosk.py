"""Vosk behind a whole system: somebody who speaks, a file, and partials beside Whisper."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import httpx2
import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.client import PAUSE, RATE_HZ, connected
from tests.models import model_path
from tests.plain import PLAIN
from tests.services.stt.speech import RECORDINGS, plain, recording
from tests.services.stt.spoken_korean import WAYS, WORDS, korean
from tests.system import SYNTHETIC, System

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]

MODEL = "vosk-model-small-ko-0.22"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One worker that hears with it, live and in files."""
    for name in ("silero-vad", "smart-turn-v3.2", MODEL):
        model_path(name)
    chosen = {**SYNTHETIC, "STT_ENGINE": "vosk", "STT_MODEL": MODEL}
    with System(tmp_path_factory.mktemp("vosk"), chosen) as running:
        yield running


def int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """As clients send it."""
    return (samples * 32767).astype(np.int16)


def transcribed(system: System, samples: NDArray[np.float32], language: str) -> httpx2.Response:
    """What the OpenAI API says of a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(int16(samples).tobytes())
    return httpx2.post(
        f"{system.root}/v1/audio/transcriptions",
        files={"file": ("said.wav", file.getvalue())},
        data={"model": "whisper-1", "language": language},
        timeout=60,
        **PLAIN,
    )


async def test_who_speaks_is_shown_his_words_and_answered(system: System) -> None:
    """Orders of a grammar, while they are spoken and in the end."""
    start = {"language": "ko", "grammar": ", ".join(WORDS)}
    async with connected(system, start) as client:
        await client.speak(np.concatenate([int16(korean(" ".join(WAYS))), PAUSE]), pace=1)
        await client.until("turn_ended", outcome="completed", within_s=60)

        shown = [message["text"] for message in client.messages("partial")]
        (final,) = client.messages("final")
        assert (final["text"], final["language"]) == (" ".join(WAYS), "ko")
        assert shown
        assert all(final["text"].startswith(text) for text in shown)
        assert client.messages("error") == []


async def test_the_same_worker_hears_a_file(system: System) -> None:
    """And refuses, in words, what is in another language than its own."""
    heard = transcribed(system, korean(" ".join(WORDS)), "ko")
    refused = transcribed(system, recording("amiable"), "en")

    assert heard.status_code == 200, heard.text
    assert any("가" <= letter <= "힣" for letter in heard.json()["text"])
    assert refused.status_code == 400, refused.text
    assert MODEL in refused.json()["error"]["message"]


async def test_partials_are_its_own_and_finals_whispers(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Told that English is what it knows, its words are Korean ones: nobody takes them for his."""
    model_path("whisper-tiny.en")
    chosen = {
        **SYNTHETIC,
        "STT_ENGINE": "faster-whisper",
        "STT_MODEL": "whisper-tiny.en",
        "STT_QUICK_MODEL": MODEL,
        "STT_VOSK_LANGUAGE": "en",
    }
    with System(tmp_path_factory.mktemp("both"), chosen) as both:
        async with connected(both, {"language": "en"}) as client:
            await client.speak(np.concatenate([int16(recording("amiable")), PAUSE]), pace=1)
            await client.until("turn_ended", outcome="completed", within_s=60)

            shown = [message["text"] for message in client.messages("partial")]
            final = " ".join(message["text"] for message in client.messages("final"))
            assert any(not text.isascii() for text in shown)
            assert jiwer.wer(RECORDINGS["amiable"], plain(final)) <= 0.2
