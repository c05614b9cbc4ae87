"""Ears with all their real models, on recorded speech and on what is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.stt import (
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
    TranscriptFinal,
)
from services.stt.__main__ import build_ears
from services.stt.listener import Listener
from services.stt.outbox import Outbox
from services.stt.settings import SttSettings
from tests.models import model_path
from tests.services.stt.hearing import Heard
from tests.services.stt.speech import noise, plain, recording, silence
from voicebus.models.store import ModelStore

pytestmark = pytest.mark.model

Samples = NDArray[np.float32]


@asynccontextmanager
async def real_ears(request: TranscribeRequest = TranscribeRequest()) -> AsyncIterator[Heard]:  # noqa: B008 - frozen
    """A listener with the models that a worker has, the small recogniser aside."""
    store = ModelStore(model_path("whisper-tiny.en").parent)
    ears = build_ears(SttSettings(model="whisper-tiny.en", partial_ms=60_000), store)
    await ears.start()
    heard = Heard()
    async with asyncio.TaskGroup() as group:
        heard.ears = ears
        heard.listener = Listener(ears, group, Outbox(heard.emit, heard.fail), request=request)
        yield heard
        await heard.listener.finish()
    await ears.close()


def pcm(*parts: Samples) -> bytes:
    """Samples as the bus carries them."""
    samples = np.clip(np.concatenate(parts), -1, 1)
    return bytes((samples * 32767).astype("<i2").tobytes())


async def test_a_recorded_sentence_is_drafted_and_final_in_the_same_words() -> None:
    """The pause at its end ends the turn inside the limits, and the draft was the final."""
    async with real_ears() as heard:
        await heard.follow(pcm(silence(0.5), recording("amiable"), silence(1.5)))

    drafts = [event for event in heard.events if isinstance(event, TranscriptDraft)]
    (final,) = heard.finals()
    assert plain(final.text) == "he might even have been made amiable himself"
    assert drafts[-1].text == final.text
    assert 0.0 < final.completion == drafts[-1].completion < 1.0
    assert 544 <= final.hold_ms <= 1_232


async def test_a_pause_within_a_sentence_does_not_end_the_turn() -> None:
    """Half a second between two words is waited out, and one final has all of them."""
    samples = recording("leisure")
    half = quiet_point(samples)
    async with real_ears() as heard:
        await heard.follow(
            pcm(silence(0.5), samples[:half], silence(0.6), samples[half:], silence(1.5))
        )

    kinds = [type(event) for event in heard.events]
    assert kinds.count(TranscriptFinal) == 1
    assert kinds.count(SpeechPaused) == kinds.count(SpeechResumed) + 1
    assert plain(heard.finals()[0].text).startswith("and mr john dashwood had then leisure")


def quiet_point(samples: Samples) -> int:
    """Where it is quietest for 50 ms in the middle third of a recording."""
    power = np.convolve(np.square(samples), np.ones(800), "same")
    third = len(samples) // 3
    return third + int(power[third : 2 * third].argmin())


@pytest.mark.parametrize("level", [0.002, 0.03])
async def test_noise_begins_no_utterance(level: float) -> None:
    """A fan, a line or a room is not somebody who speaks."""
    async with real_ears() as heard:
        await heard.follow(pcm(noise(4.0, level)))

    assert heard.events == []


async def test_clicks_begin_no_utterance() -> None:
    """Nor are keys, however loud."""
    samples = silence(4.0)
    generator = np.random.default_rng(3)
    for begin in range(4_000, len(samples) - 4_000, 3_700):
        fading = np.exp(-np.arange(300) / 50)
        samples[begin : begin + 300] += (0.3 * generator.normal(size=300) * fading).astype("f4")
    async with real_ears() as heard:
        await heard.follow(pcm(samples))

    assert heard.events == []


async def test_two_people_at_once_are_heard_as_one() -> None:
    """One utterance from the first's beginning to the other's end; nothing breaks."""
    first, second = recording("leisure"), recording("amiable")
    both = first.copy()
    both[16_000 : 16_000 + len(second)] += second
    async with real_ears() as heard:
        await heard.follow(pcm(silence(0.5), both, silence(1.5)))

    kinds = [type(event) for event in heard.events]
    assert kinds.count(SpeechStarted) == kinds.count(TranscriptFinal) >= 1
    assert heard.finals()[0].text


async def test_speech_is_noticed_within_a_fifth_of_a_second() -> None:
    """Whoever interrupts is heard while the first word is spoken."""
    samples = recording("leisure")
    loud = int(np.flatnonzero(np.abs(samples) > 0.05 * np.abs(samples).max())[0])
    async with real_ears() as heard:
        await heard.follow(pcm(silence(1.0), samples[loud : loud + 3_200]))

    assert SpeechStarted in {type(event) for event in heard.events}
