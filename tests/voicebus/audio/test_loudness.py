from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.voicebus.audio.recordings import sentence
from voicebus.audio.loudness import dbfs, first_audible_sample, last_speech_sample


def silence(milliseconds: int) -> NDArray[np.int16]:
    """Digital silence."""
    return np.zeros(16 * milliseconds, dtype=np.int16)


def tone(milliseconds: int, level_dbfs: float) -> NDArray[np.int16]:
    """A tone of this level."""
    peak = 32768 * 10 ** (level_dbfs / 20) * math.sqrt(2)
    samples: NDArray[np.float64] = peak * np.sin(np.arange(16 * milliseconds) * 0.3)
    return samples.round().astype(np.int16)


def test_levels_are_relative_to_full_scale() -> None:
    """A full-scale square wave has 0 dBFS, half of it -6.02, silence none at all."""
    square = np.resize(np.array([-32768, 32767], dtype=np.int16), 16000)

    assert dbfs(square) == pytest.approx(0, abs=0.001)
    assert dbfs(square // 2) == pytest.approx(-6.02, abs=0.001)
    assert dbfs(tone(1000, -20)) == pytest.approx(-20, abs=0.01)
    assert dbfs(silence(10)) == -math.inf
    assert dbfs(silence(0)) == -math.inf


def test_audible_begins_and_ends_with_the_sound() -> None:
    """The first and the last sample above -50 dBFS are found to 10 ms; soft noise is not."""
    heard = np.concatenate([tone(200, -60), tone(300, -30), tone(205, -60)])

    assert first_audible_sample(heard, 16000) == 200 * 16
    assert last_speech_sample(heard, 16000) == 500 * 16 - 1
    assert first_audible_sample(heard, 16000, threshold_dbfs=-65) == 0
    assert last_speech_sample(heard, 16000, threshold_dbfs=-65) == heard.size - 1


@pytest.mark.parametrize("milliseconds", [0, 4, 500])
def test_silence_has_no_audible_sample(milliseconds: int) -> None:
    """Where nothing is heard there is no place to name."""
    assert first_audible_sample(silence(milliseconds), 16000) is None
    assert last_speech_sample(silence(milliseconds), 16000) is None


def test_a_padded_sentence_ends_where_it_ended() -> None:
    """Silence around a recording moves the places by exactly its length."""
    said = sentence()
    padded = np.concatenate([silence(500), said, silence(1000)])
    first, last = first_audible_sample(said, 16000), last_speech_sample(said, 16000)
    assert first is not None
    assert last is not None

    assert first_audible_sample(padded, 16000) == first + 8000
    assert last_speech_sample(padded, 16000) == last + 8000
