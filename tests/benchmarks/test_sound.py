from __future__ import annotations

import numpy as np
import pytest

from benchmarks.sound import (
    gaps,
    hum,
    lengthened,
    levels,
    pink_noise,
    speech_level,
    spoken,
)
from tests.benchmarks.speech import RATE_HZ, quiet, sentence, tone


def test_a_recording_begins_and_ends_with_speech() -> None:
    """Silence around the words would be taken for a caller who waits."""
    found = spoken(np.concatenate([quiet(300), tone(500), quiet(200), tone(400), quiet(700)]))

    assert len(found) * 1000 / RATE_HZ == pytest.approx(1100, abs=20)


def test_silence_holds_no_speech() -> None:
    """Nothing can be said with it."""
    assert spoken(quiet(0)).size == 0
    assert gaps(quiet(0), 50) == ()


def test_gaps_are_found_between_words() -> None:
    """A gap has the place and the length that the speaker gave it."""
    found = gaps(sentence(500, 120, 600, 40, 300).samples, 50)

    assert [round(gap.ms) for gap in found] == [120]
    assert found[0].begin == 500 * RATE_HZ // 1000


def test_a_lengthened_gap_leaves_the_words_as_they_are() -> None:
    """A pause is put between words: not a sample of them changes."""
    prompt = sentence(500, 120, 600)
    (gap,) = gaps(prompt.samples, 50)

    longer = lengthened(prompt.samples, gap, 700, np.random.default_rng(1))

    (found,) = gaps(longer, 50)
    assert found.ms == pytest.approx(700, abs=10)
    assert np.array_equal(longer[: gap.begin], prompt.samples[: gap.begin])
    assert np.array_equal(longer[-600 * 16 :], prompt.samples[-600 * 16 :])


def test_a_gap_that_is_long_enough_stays() -> None:
    """A pause is never made shorter."""
    prompt = sentence(500, 200, 600)
    (gap,) = gaps(prompt.samples, 50)

    assert lengthened(prompt.samples, gap, 150, np.random.default_rng(1)) is prompt.samples


def test_a_held_vowel_has_the_voice_and_no_holes() -> None:
    """A hesitation sounds at the speaker's pitch for as long as it was asked for."""
    word = tone(400, hz=125.0)

    held = hum(word, len(word), 320)

    assert len(held) == 320 * RATE_HZ // 1000
    assert levels(held).min() > -40
    spectrum = np.abs(np.fft.rfft(held.astype(np.float64)))
    assert np.argmax(spectrum) * RATE_HZ / len(held) == pytest.approx(125, abs=10)


def test_noise_has_its_level_and_is_pink() -> None:
    """Each octave carries the same power: white noise would be 9 dB louder three octaves up."""
    noise = pink_noise(8 * RATE_HZ, -40.0, np.random.default_rng(1)).astype(np.float64)

    power = np.square(np.abs(np.fft.rfft(noise)))
    hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    octaves = [power[(hz >= low) & (hz < 2 * low)].sum() for low in (250, 500, 1000, 2000)]
    assert 10 * np.log10(np.mean(np.square(noise)) / 32768**2) == pytest.approx(-40, abs=0.5)
    assert 10 * np.log10(octaves[-1] / octaves[0]) == pytest.approx(0, abs=1.0)


def test_pauses_do_not_make_speech_quieter() -> None:
    """Noise is laid under a sentence by the level of its words."""
    without = speech_level(tone(1000))

    assert speech_level(sentence(500, 1000, 500).samples) == pytest.approx(without, abs=0.3)
