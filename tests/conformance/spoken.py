"""Recorded sentences, as the clients send them, and how near a transcript is to their words."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Final

import jiwer
import numpy as np
from numpy.typing import NDArray

from tests.e2e.openai.realtime import RATE_HZ
from tests.services.stt.speech import plain
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav

SENTENCE: Final = "austen-leisure"
"""The longest of the recordings: 7.1 s."""

PAUSE: Final = np.zeros(2 * RATE_HZ, dtype=np.int16)


@cache
def recorded(name: str) -> NDArray[np.int16]:
    """A recording at the rate of the Realtime API."""
    rate_hz, samples = read_wav(SAMPLES / f"{name}.wav")
    resampler = Resampler(rate_hz, RATE_HZ)
    return np.concatenate([resampler.push(samples), resampler.finish()])


def word_error_rate(transcript: str, name: str = SENTENCE) -> float:
    """How much of a recording a transcript has wrong."""
    listed = tomllib.loads((SAMPLES / "samples.toml").read_text(encoding="utf-8"))["sample"]
    (said,) = (sample["text"] for sample in listed if sample["file"] == f"{name}.wav")
    return jiwer.wer(said, plain(transcript))
