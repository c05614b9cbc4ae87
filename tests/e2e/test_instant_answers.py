"""What everybody asks, answered in speech that was made once for all callers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.client import connected
from tests.models import model_path
from tests.system import SYNTHETIC, System

pytestmark = pytest.mark.model

QUESTION, ANSWER = "When do you open?", "At nine."


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A persona with a book of answers, and a real voice."""
    folder = tmp_path_factory.mktemp("instant")
    for model in ("silero-vad", "piper-en_US-joe-medium"):
        model_path(model)
    (folder / "shop.md").write_text("You sell tea.")
    (folder / "shop.faq.csv").write_text(f"question,answer\n{QUESTION},{ANSWER}\n")
    chosen = {
        **SYNTHETIC,
        "TTS_ENGINE": "piper",
        "TTS_VOICES": "en_US-joe-medium",
        "TURN_PERSONAS_DIR": str(folder),
    }
    with System(folder / "system", chosen) as running:
        yield running


async def answered(system: System) -> NDArray[np.int16]:
    """Call, ask, and return what is heard."""
    async with connected(system, {"persona": "shop"}) as client:
        await client.send("text", text=QUESTION)
        await client.until("turn_ended", outcome="completed")
        assert client.messages("reply_done")[0]["text"] == ANSWER
        return client.audio()


async def test_the_third_caller_hears_what_was_made_for_the_second(system: System) -> None:
    """As it sounded; the voice makes nothing for him, nor does the language model."""
    before = system.metric("llm", "voicebus_claims_total", outcome="done")
    first, second = await answered(system), await answered(system)
    async with asyncio.timeout(10):
        while not system.metric("tts", "voicebus_tts_phrases_total", outcome="kept"):
            await asyncio.sleep(0.05)
    said = system.metric("tts", "voicebus_tts_phrases_total", outcome="said")
    third = await answered(system)

    assert said == 0
    assert system.metric("tts", "voicebus_tts_phrases_total", outcome="said") == 1
    # What comes as one piece is rounded otherwise by the resampler than what comes in several.
    assert np.abs(third.astype(int) - second).max() < 5
    assert np.array_equal(first, second)
    assert np.abs(third).max() > 1_000
    assert system.metric("llm", "voicebus_claims_total", outcome="done") == before
