"""Bare audio on a wire: samples and G.711, whole and in pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebus.audio.codec import SPOKEN_HZ, Coding, Packing, Sound, Unpacking
from voicebus.audio.pcm import samples_of

SOUNDS = [
    Sound(Coding.MU),
    Sound(Coding.A),
    *(Sound(Coding.PCM, hz) for hz in (8_000, 11_025, 12_000, 16_000, 32_000, 44_100, 48_000)),
]


def tone(rate_hz: int, seconds: float = 1.0) -> np.ndarray:
    """A sine of 440 Hz."""
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return (8_000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)


def pitch(samples: np.ndarray, rate_hz: int) -> float:
    """The loudest frequency."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))
    return float(np.argmax(spectrum)) * rate_hz / len(samples)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """Pieces of bytes."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[a:b] for a, b in pairwise(places)]


@pytest.mark.parametrize("sound", SOUNDS, ids=str)
def test_a_stream_comes_through_at_the_rate_that_is_wanted(sound: Sound) -> None:
    """The same tone, as long as it was: to 16 kHz, and back from the rate of a reply."""
    unpacking, packing = Unpacking(sound, 16_000), Packing(sound.spoken_hz, sound)
    coded = sound.coded(tone(sound.rate_hz))
    frames = [coded[at : at + sound.size(20)] for at in range(0, len(coded), sound.size(20))]

    heard = np.concatenate([*(unpacking.push(frame) for frame in frames), unpacking.finish()])
    said = packing.push(tone(sound.spoken_hz).tobytes()) + packing.finish()

    assert len(heard) == pytest.approx(16_000, abs=160)
    assert pitch(heard, 16_000) == pytest.approx(440, abs=4)
    assert sound.ms(len(said)) == pytest.approx(1_000, abs=10)
    assert pitch(sound.samples(said), sound.rate_hz) == pytest.approx(440, abs=4)


@given(st.sampled_from(SOUNDS), st.lists(st.integers(0, 5_000), max_size=20))
def test_where_a_stream_is_cut_does_not_matter(sound: Sound, at: list[int]) -> None:
    """Within samples, too: the same comes out as of one piece."""
    coded = sound.coded(tone(sound.rate_hz, 0.05))
    whole, pieces = Unpacking(sound, sound.rate_hz), Unpacking(sound, sound.rate_hz)

    came = b"".join(pieces.push(piece).tobytes() for piece in cut(coded, at))

    assert came == whole.push(coded).tobytes()
    assert pieces.taken == whole.taken
    assert not pieces.is_within_a_sample


@pytest.mark.parametrize("sound", SOUNDS, ids=str)
def test_sizes_and_lengths_agree(sound: Sound) -> None:
    """A frame of 20 ms has as many bytes as are 20 ms long, give or take half a sample."""
    assert sound.ms(sound.size(20)) == pytest.approx(20, abs=0.1)
    assert sound.spoken_hz in SPOKEN_HZ
    assert sound.spoken_hz >= min(sound.rate_hz, 48_000)


@pytest.mark.parametrize("sound", SOUNDS, ids=str)
def test_silence_is_silent(sound: Sound) -> None:
    """In every coding: zero is another byte in each."""
    silence = sound.silence(sound.size(20))

    assert len(silence) == sound.size(20)
    assert np.abs(sound.samples(silence).astype(int)).max() <= 8


def test_samples_that_need_no_change_are_not_touched() -> None:
    """Nothing is copied for them."""
    pcm = tone(24_000).tobytes()

    assert Packing(24_000, Sound(Coding.PCM, 24_000)).push(pcm) is pcm
    assert samples_of(pcm).base is not None
