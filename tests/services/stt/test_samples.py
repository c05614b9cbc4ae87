"""The audio of a session that may still be needed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.stt.samples import SampleBuffer
from voicebus.audio.pcm import to_float32

AUDIO = (np.arange(200_000) % 30_011).astype(np.int16)


def pcm(first: int, last: int) -> bytes:
    """Samples that can be told from all others nearby."""
    return AUDIO[first:last].tobytes()


def test_windows_come_whole_and_once() -> None:
    """What does not fill a window waits for more."""
    buffer = SampleBuffer(0)
    buffer.push(pcm(0, 1000))
    first = buffer.take_windows(512)
    none = buffer.take_windows(512)
    buffer.push(pcm(1000, 1100))
    second = buffer.take_windows(512)

    assert first.shape == (1, 512)
    assert none.shape == (0, 512)
    assert np.array_equal(np.concatenate([first, second]).ravel(), to_float32(AUDIO[:1024]))


def test_few_windows_with_hardly_a_sound_are_still() -> None:
    """As long as there are fewer than so many, and until one sample is louder."""
    buffer = SampleBuffer(0)
    assert buffer.are_still(512, 2, 0.01)
    buffer.push(np.array([300, -300] * 500, np.int16).tobytes())

    assert buffer.are_still(512, 2, 0.01)
    assert not buffer.are_still(512, 1, 0.01)
    assert not buffer.are_still(512, 2, 0.009)
    buffer.push(np.array([-500], np.int16).tobytes())
    assert not buffer.are_still(512, 2, 0.01)
    buffer.take_windows(512)
    buffer.take_rest(512)
    assert buffer.are_still(512, 2, 0.01)


def test_the_rest_is_filled_up_with_silence() -> None:
    """At the caller's end the last window is short; then there is no rest any more."""
    buffer = SampleBuffer(0)
    buffer.push(pcm(100, 110))

    rest = buffer.take_rest(512)

    assert rest is not None
    assert np.array_equal(rest[0, :10], to_float32(AUDIO[100:110]))
    assert not rest[0, 10:].any()
    assert buffer.take_rest(512) is None


def test_a_stretch_is_cut_to_what_is_there() -> None:
    """Audio that was dropped, or has not come, is not made up."""
    buffer = SampleBuffer(1000)
    buffer.push(pcm(1000, 1500))

    assert np.array_equal(buffer.between(900, 1100), to_float32(AUDIO[1000:1100]))
    assert np.array_equal(buffer.between(1400, 9999), to_float32(AUDIO[1400:1500]))
    assert len(buffer.between(0, 10)) == 0
    assert len(buffer.between(5000, 6000)) == 0
    assert buffer.end == 1500


def test_what_was_handed_out_does_not_change() -> None:
    """A recognition runs in a thread while the buffer moves on."""
    buffer = SampleBuffer(0)
    buffer.push(pcm(0, 40_000))
    stretch = buffer.between(30_000, 30_100)
    buffer.take_windows(512)
    buffer.drop_before(39_000)
    buffer.push(pcm(40_000, 80_000))

    assert np.array_equal(stretch, to_float32(AUDIO[30_000:30_100]))


@given(st.lists(st.integers(1, 20_000), max_size=15), st.lists(st.integers(0, 100_000), max_size=5))
def test_indices_stay_true_whatever_is_dropped(pushes: list[int], drops: list[int]) -> None:
    """An index names the same sample before and after older audio is forgotten."""
    buffer, end = SampleBuffer(0), 0
    for number, size in enumerate(pushes):
        last = min(end + size, len(AUDIO))
        buffer.push(pcm(end, last))
        end = last
        buffer.take_windows(512)
        if number < len(drops):
            buffer.drop_before(drops[number])

    tail = buffer.between(max(0, end - 700), end)
    assert buffer.end == end
    assert len(tail) > 0 or end == 0 or any(drop > end - 700 for drop in drops)
    assert np.array_equal(tail, to_float32(AUDIO[end - len(tail) : end]))
