from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebus.audio.resample import Resampler

PAIRS = list(itertools.permutations((8000, 16000, 22050, 24000, 48000), 2))


def tone(hz: float, sample_rate_hz: int, seconds: float = 1.0) -> NDArray[np.int16]:
    """A tone at about -13 dBFS."""
    time_s = np.arange(int(sample_rate_hz * seconds)) / sample_rate_hz
    samples: NDArray[np.float64] = 10000 * np.sin(2 * np.pi * hz * time_s)
    return samples.round().astype(np.int16)


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_a_tone_stays_what_it_is(in_hz: int, out_hz: int) -> None:
    """In frames of 20 ms or in odd ones: as many samples as expected, the same pitch and level."""
    heard = {}
    for frame in (in_hz // 50, 371):
        resampler, said = Resampler(in_hz, out_hz), tone(440, in_hz)
        pieces = [resampler.push(said[at : at + frame]) for at in range(0, said.size, frame)]
        heard[frame] = np.concatenate([*pieces, resampler.finish()])

    first, second = heard.values()
    assert abs(first.size - out_hz) <= 2
    assert first.dtype == np.int16
    assert np.abs(first.astype(int) - second)[: out_hz - 2].max() <= 2
    middle = first[out_hz // 10 : -out_hz // 10].astype(np.float64)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(10000 / np.sqrt(2), rel=0.01)
    strongest = np.fft.rfft(middle * np.hanning(middle.size))
    assert np.argmax(np.abs(strongest)) * out_hz / middle.size == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_the_first_sound_comes_out_soon(in_hz: int, out_hz: int) -> None:
    """The filter holds back at most 60 ms of a live stream, 35 ms from or to a telephone."""
    resampler, said = Resampler(in_hz, out_hz), tone(440, in_hz)
    frame, out_samples, held_s = in_hz // 50, 0, 0.0

    for at in range(0, said.size, frame):
        out_samples += resampler.push(said[at : at + frame]).size
        held_s = max(held_s, (at + frame) / in_hz - out_samples / out_hz)

    assert held_s <= (0.035 if 8000 in {in_hz, out_hz} else 0.060)


@pytest.mark.parametrize("in_hz", [16000, 24000, 48000])
def test_what_a_telephone_cannot_carry_is_gone(in_hz: int) -> None:
    """A tone above the new limit is removed and not folded into the speech."""
    resampler = Resampler(in_hz, 8000)

    heard = np.concatenate([resampler.push(tone(6000, in_hz)), resampler.finish()])

    assert np.abs(heard[800:-800]).max() < 100


def test_equal_rates_pass_without_a_copy() -> None:
    """Nothing is done where nothing is to do."""
    resampler, samples = Resampler(16000, 16000), tone(440, 16000)

    assert resampler.push(samples) is samples
    assert resampler.finish().size == 0
