"""Recorded speech, and what is not speech."""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RECORDINGS = {
    "amiable": "he might even have been made amiable himself",
    "leisure": (
        "and mr john dashwood had then leisure to consider how much there might be "
        "prudently in his power to do for them"
    ),
}


def recording(name: str) -> NDArray[np.float32]:
    """Return a recording's samples, mono at 16 kHz, -1 to 1."""
    path = Path(__file__).with_name("recordings") / f"{name}.wav"
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm.astype(np.float32) / np.float32(32768)


def silence(seconds: float) -> NDArray[np.float32]:
    """Return digital silence."""
    return np.zeros(int(seconds * 16_000), np.float32)


def noise(seconds: float, rms: float = 0.02) -> NDArray[np.float32]:
    """Return white noise, always the same."""
    generator = np.random.default_rng(7)
    return generator.normal(0, rms, int(seconds * 16_000)).astype(np.float32)


def windows(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the whole windows of 512 samples, each of shape (1, 512)."""
    for begin in range(0, len(samples) - 511, 512):
        yield samples[None, begin : begin + 512]


def plain(text: str) -> str:
    """Return a text as word error rates compare it: lower case, no punctuation."""
    return " ".join(re.sub(r"[^\w\s']", " ", text.lower()).split())
