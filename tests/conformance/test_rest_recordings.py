"""The official Python client and recordings: written down by a real recogniser in every shape."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.conformance.spoken import SENTENCE, word_error_rate
from tests.voicebus.audio.recordings import SAMPLES

pytestmark = pytest.mark.model

FILE = SAMPLES / f"{SENTENCE}.wav"


async def test_a_recording_is_written_down(real: AsyncOpenAI) -> None:
    """With the seconds that it lasted."""
    written = await real.audio.transcriptions.create(model="whisper-1", file=FILE)

    assert word_error_rate(written.text) < 0.2
    assert written.usage is not None
    assert written.usage.type == "duration"
    assert 7 <= written.usage.seconds <= 8


async def test_a_recording_with_the_times_of_its_words(real: AsyncOpenAI) -> None:
    """Words one after the other, within the segments, within the recording."""
    written = await real.audio.transcriptions.create(
        model="whisper-1",
        file=FILE,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert word_error_rate(written.text) < 0.2
    assert written.duration == pytest.approx(7.1, abs=0.2)
    assert written.segments
    assert written.words
    starts = [word.start for word in written.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= written.duration for word in written.words)
    assert len(written.words) == len(written.text.split())


@pytest.mark.parametrize(("shape", "begins"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n")])
async def test_a_recording_as_subtitles(real: AsyncOpenAI, shape: Any, begins: str) -> None:
    """The SDK hands over the text as it is."""
    written: Any = await real.audio.transcriptions.create(
        model="whisper-1", file=FILE, response_format=shape
    )

    assert isinstance(written, str)
    assert written.startswith(begins)
    assert " --> " in written


async def test_a_recording_streamed(real: AsyncOpenAI) -> None:
    """The pieces are the text that the last event has."""
    stream = await real.audio.transcriptions.create(model="whisper-1", file=FILE, stream=True)
    events: list[Any] = [event async for event in stream]

    *deltas, done = events
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert word_error_rate(done.text) < 0.2


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK's mark for it
async def test_what_a_recogniser_of_english_cannot_do(real: AsyncOpenAI) -> None:
    """It has nothing to translate: the SDK raises what the server says."""
    with pytest.raises(openai.BadRequestError) as refused:
        await real.audio.translations.create(model="whisper-1", file=FILE)

    assert refused.value.code == "request_refused"
