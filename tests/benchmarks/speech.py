"""Made speech: tones and silence, so that a test knows where words begin and end."""

from __future__ import annotations

import numpy as np

from benchmarks.prompts import Prompt
from benchmarks.sound import Samples

RATE_HZ = 16_000


def tone(ms: int, amplitude: float = 8000.0, hz: float = 150.0) -> Samples:
    """A word."""
    at = np.arange(ms * RATE_HZ // 1000)
    return (amplitude * np.sin(2 * np.pi * hz * at / RATE_HZ)).astype(np.int16)


def quiet(ms: int) -> Samples:
    """Nothing."""
    return np.zeros(ms * RATE_HZ // 1000, np.int16)


def sentence(*lengths_ms: int, name: str = "sentence") -> Prompt:
    """Words and gaps by turns, beginning with a word."""
    parts = [quiet(ms) if n % 2 else tone(ms) for n, ms in enumerate(lengths_ms)]
    return Prompt(name, np.concatenate(parts), f"Words of {name}.")
