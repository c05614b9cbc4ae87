from __future__ import annotations

import numpy as np
import pytest

from services.tts.silence import AUDIBLE, Onset, Stretch, leading_silence, trim_leading


def test_silence_ends_at_the_first_sample_above_minus_50_dbfs() -> None:
    """The threshold is that of the measurements, in both directions of the wave."""
    assert pytest.approx(32768 * 10 ** (-50 / 20), abs=1) == AUDIBLE
    assert leading_silence(np.array([0, AUDIBLE - 1, 1 - AUDIBLE, AUDIBLE], np.int16)) == 3
    assert leading_silence(np.array([0, -AUDIBLE], np.int16)) == 1
    assert leading_silence(np.array([0, -32768], np.int16)) == 1


@pytest.mark.parametrize(("silent", "left"), [(0, 0), (10, 10), (20, 20), (21, 20), (500, 20)])
def test_the_beginning_is_trimmed_to_20_ms(silent: int, left: int) -> None:
    """At 1 kHz a sample is a millisecond: more than 20 of silence become 20, fewer stay."""
    speech = np.full(7, 5_000, np.int16)

    trimmed = trim_leading(np.concatenate([np.zeros(silent, np.int16), speech]), 1_000)

    assert leading_silence(trimmed) == left
    assert trimmed[left:].tolist() == speech.tolist()


@pytest.mark.parametrize("length", [0, 1, 500])
def test_all_silence_stays_whole(length: int) -> None:
    """A pause that is a piece of its own is not shortened, and nothing stays nothing."""
    samples = np.zeros(length, np.int16)

    assert len(trim_leading(samples, 1_000)) == length
    assert leading_silence(samples) == length


def samples(*stretches: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Stretches of (amplitude, number of samples)."""
    return np.concatenate([np.full(count, value, np.int16) for value, count in stretches])


def test_a_turn_begins_with_its_first_sound() -> None:
    """However many pieces are silent before it; later ones stay as they are."""
    onset = Onset(1_000)

    assert len(onset.push(samples((0, 300)))) == 0
    assert len(onset.push(samples((0, 300)))) == 0
    first = onset.push(samples((0, 5), (5_000, 7)))
    assert (leading_silence(first), len(first)) == (20, 27)
    assert len(onset.push(samples((0, 300)))) == 300


@pytest.mark.parametrize("cuts", [(), (10,), (40,), (10, 30, 95), (20, 60, 90)])
def test_a_stretch_is_from_the_first_sound_to_the_last(cuts: tuple[int, ...]) -> None:
    """Whatever pieces it comes in."""
    stretch = Stretch(1_000)
    audio = samples((0, 20), (5_000, 60), (0, 20))
    at = 1_000
    for piece in np.split(audio, cuts):
        stretch.add(piece, at)
        at += len(piece)

    assert (stretch.start, stretch.end) == (1_020, 1_080)


def test_a_silent_stretch_is_nowhere() -> None:
    """It begins and ends where it would have."""
    stretch = Stretch(1_000)
    stretch.add(samples((0, 50)), 1_000)

    assert (stretch.start, stretch.end) == (1_000, 1_000)
