"""Home Assistant's way here: wyoming-openai, with the settings that its page gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conformance.settings_blocks import settings_of
from tests.conformance.spoken import word_error_rate
from tests.conformance.wyoming import Assistant, bridge
from tests.system import System
from tests.voicebus.audio.recordings import sentence

# The first of them installs it.
pytestmark = [pytest.mark.model, pytest.mark.network, pytest.mark.timeout(600)]

TEXT = "The light in the kitchen is on. The door is closed."
STREAMED = "gpt-4o-mini-transcribe"
LIVE = "gpt-4o-transcribe"


@pytest.fixture(scope="module")
def as_on_the_page(real_system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The page's settings, and the other two ways to have speech written down."""
    more = {"STT_STREAMING_MODELS": STREAMED, "STT_REALTIME_MODELS": LIVE}
    settings = {**settings_of("home-assistant", real_system), **more}
    with bridge(settings, tmp_path_factory.mktemp("wyoming")) as port:
        yield port


async def test_what_it_offers(as_on_the_page: int, real_system: System) -> None:
    """The ears and the voice that the page has people choose."""
    chosen = settings_of("home-assistant", real_system)
    async with Assistant(as_on_the_page) as assistant:
        offered = await assistant.describe()

    models = [model["name"] for program in offered["asr"] for model in program["models"]]
    voices = [voice["name"] for program in offered["tts"] for voice in program["voices"]]
    assert {chosen["STT_MODELS"], STREAMED, LIVE} <= set(models)
    assert chosen["TTS_VOICES"] in voices


@pytest.mark.parametrize("model", ["whisper-1", STREAMED, LIVE])
async def test_its_ears(as_on_the_page: int, model: str) -> None:
    """A file at the end of the sentence, the same streamed, and audio while it is spoken."""
    async with Assistant(as_on_the_page) as assistant:
        written = await assistant.transcribe(sentence(), model)

    assert word_error_rate(written) < 0.2


async def test_its_voice(as_on_the_page: int) -> None:
    """Two sentences of sound, at the rate of the API."""
    async with Assistant(as_on_the_page) as assistant:
        rate, audio = await assistant.synthesize(TEXT, "alloy")

    samples = np.frombuffer(audio, dtype="<i2")
    assert rate == 24_000
    assert len(samples) > 2 * rate
    assert np.abs(samples.astype(np.int32)).max() > 1000


async def test_its_voice_while_the_text_is_written(as_on_the_page: int) -> None:
    """As the page advises it: each sentence is spoken once, in pieces that are cut anywhere."""
    pieces = [TEXT[first : first + 7] for first in range(0, len(TEXT), 7)]
    async with Assistant(as_on_the_page) as assistant:
        _, whole = await assistant.synthesize(TEXT, "alloy")
    async with Assistant(as_on_the_page) as assistant:
        rate, audio = await assistant.synthesize_stream(pieces, "alloy")

    samples = np.frombuffer(audio, dtype="<i2")
    assert rate == 24_000
    assert 0.6 < len(audio) / len(whole) < 1.6
    assert np.abs(samples.astype(np.int32)).max() > 1000


async def test_its_voice_in_a_conversation(real_system: System, tmp_path: Path) -> None:
    """Speech by way of a language model, which may change the text, but speaks."""
    settings = {
        **settings_of("home-assistant", real_system),
        "STT_MODELS": "",
        "TTS_MODELS": "",
        "TTS_STREAMING_MODELS": "",
        "TTS_REALTIME_MODELS": "gpt-realtime",
    }
    with bridge(settings, tmp_path) as port:
        async with Assistant(port) as assistant:
            rate, audio = await assistant.synthesize("Hello.", "alloy")

    assert rate == 24_000
    assert len(audio) > 9_600
