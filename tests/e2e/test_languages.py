"""Russian and English in one session: what is heard, and in which language the voice answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.client import PAUSE, RATE_HZ, Client, connected
from tests.e2e.test_cloned_voice import add
from tests.models import model_path
from tests.services.stt.spoken_korean import spoken
from tests.services.tts.tiny_xtts import tiny_xtts
from tests.system import SYNTHETIC, System
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

ENGLISH, RUSSIAN = "Is there tea?", "Есть ли чай?"
BOOK = f"question,answer\n{ENGLISH},Yes there is.\n{RUSSIAN},Да конечно.\n"
SAID = "The weather is very good today, and we shall walk in the garden."
RUSSIANS = Path("/usr/share/asterisk/sounds/ru")
"""Of Debian's package asterisk-core-sounds-ru-wav; what a voice of rules says in Russian is hardly
taken for it."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Ears that know many languages, a model that repeats, and one voice that speaks many."""
    folder = tmp_path_factory.mktemp("languages")
    model_path("whisper-base")
    checkpoint = tiny_xtts(folder / "tiny")
    (folder / "shop.md").write_text("You sell tea.")
    (folder / "shop.faq.csv").write_text(BOOK)
    chosen = {
        **SYNTHETIC,
        "LLM_SYNTHETIC_REPLY": "{asked}",
        "STT_ENGINE": "faster-whisper",
        "STT_MODEL": "whisper-base",
        "TTS_ENGINE": "xtts",
        "TTS_XTTS_MODEL": str(checkpoint),
        "TTS_XTTS_LICENCE": "CPML",
        "TTS_XTTS_DEVICE": "cpu",
        # Several threads wait for each other where the cores have other work, too.
        "TTS_THREADS": "1",
        "TURN_PERSONAS_DIR": str(folder),
    }
    with System(folder / "system", chosen) as running:
        added = add(running, checkpoint, "anna", "austen-leisure.wav", "--accept-licence")
        assert added.startswith("0 anna ")
        yield running


@asynccontextmanager
async def talking(
    system: System, language: str = "", languages: Sequence[str] = ()
) -> AsyncIterator[Client]:
    """A session in this language, or in one of these; empty: in any."""
    start = {"persona": "shop", "voice": "anna", "language": language, "languages": languages}
    async with connected(system, start) as client:
        yield client


async def answer(client: Client, question: str) -> NDArray[np.int16]:
    """Ask in writing; return what is heard."""
    before, count = client.audio().size, len(client.messages("turn_ended")) + 1
    await client.send("text", text=question)
    await client.until("turn_ended", count, within_s=120)
    return client.audio()[before:]


async def test_one_voice_speaks_each_answer_in_its_language(system: System) -> None:
    """As it sounds where the language is named, and otherwise than in the other one."""
    async with talking(system) as client:
        english, russian, again = [
            await answer(client, question) for question in (ENGLISH, RUSSIAN, ENGLISH)
        ]
        assert client.messages("error") == []
    async with talking(system, "ru") as client:
        in_russian = await answer(client, RUSSIAN)
    async with talking(system, "en") as client:
        in_english, wrong = [await answer(client, question) for question in (ENGLISH, RUSSIAN)]

    assert np.abs(russian).max() > 0
    assert np.array_equal(russian, in_russian)
    assert not np.array_equal(russian, wrong)
    assert np.array_equal(english, in_english)
    assert np.array_equal(english, again)


@pytest.mark.skipif(not RUSSIANS.exists(), reason="no Russian recordings are installed")
async def test_each_utterance_is_answered_in_its_language(system: System) -> None:
    """Nobody said beforehand which of the two it would be, and it changes from turn to turn."""
    names = ("astcc-followed-by-the-pound-key", "", "call-fwd-no-ans")
    heard = []
    async with talking(system, languages=["en", "ru"]) as client:
        for number, name in enumerate(names, 1):
            before = client.audio().size
            speech = recorded(name) if name else (spoken(SAID, "en") * 32767).astype(np.int16)
            await client.speak(np.concatenate([speech, PAUSE]), pace=1)
            await client.until("turn_ended", number, within_s=120)
            heard.append(client.audio()[before:])
        finals = client.messages("final")
    texts = [final["text"] for final in finals]

    assert [final["language"] for final in finals] == ["ru", "en", "ru"]
    assert any("а" <= letter <= "я" for letter in texts[0])
    assert "garden" in texts[1].lower()
    async with talking(system, "ru") as client:
        russian, _, other = [await answer(client, text) for text in texts]
    async with talking(system, "en") as client:
        wrong, english, _ = [await answer(client, text) for text in texts]
    assert np.array_equal(heard[0], russian)
    assert np.array_equal(heard[1], english)
    assert np.array_equal(heard[2], other)
    assert not np.array_equal(heard[0], wrong)


def recorded(name: str) -> NDArray[np.int16]:
    """A Russian recording at the rate of callers."""
    rate_hz, samples = read_wav(RUSSIANS / f"{name}.wav")
    resampler = Resampler(rate_hz, RATE_HZ)
    return np.concatenate([resampler.push(samples), resampler.finish()])
