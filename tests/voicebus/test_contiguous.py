"""The caller's audio in order, whatever the order in which it comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.audio import AudioChunk, AudioEnded
from voicebus.contiguous import Audio, Contiguous
from voicebus.errors import AudioGap

STEP = 320
AUDIO = np.arange(1, 30 * STEP + 1, dtype=np.int16)
ALL = range(30)


def chunk(number: int) -> AudioChunk:
    """The chunk of this number."""
    start = number * STEP
    return AudioChunk(pcm=AUDIO[start : start + STEP].tobytes(), offset=start)


def heard(events: list[Audio]) -> bytes:
    """The audio of some messages."""
    return b"".join(event.pcm for event in events if isinstance(event, AudioChunk))


@given(st.permutations(ALL), st.lists(st.sampled_from(ALL)), st.integers(0, 30 * STEP))
def test_all_of_it_comes_once_and_in_order(order: list[int], again: list[int], start: int) -> None:
    """From the first sample wanted on; the end comes when all before it has."""
    audio = Contiguous(start)
    end = AudioEnded(offset=30 * STEP)
    events = audio.take(end)
    for number in (*again[: len(again) // 2], *order, *again):
        events += audio.take(chunk(number))
    events += audio.take(end)

    assert heard(events) == AUDIO[start:].tobytes()
    assert [event for event in events if isinstance(event, AudioEnded)] == [end]
    assert events[-1] == end
    assert audio.missing == 0


@pytest.mark.parametrize("hole", [range(3, 4), range(3, 25)])
def test_silence_takes_the_place_of_what_never_came(hole: range) -> None:
    """As long as what is missing; what waited behind it follows."""
    audio = Contiguous(0)
    events: list[Audio] = []
    for number in ALL:
        if number not in hole:
            events += audio.take(chunk(number))

    assert audio.missing == len(hole) * STEP
    events += audio.bridge()
    expected = AUDIO.copy()
    expected[hole.start * STEP : hole.stop * STEP] = 0
    assert heard(events) == expected.tobytes()
    assert audio.missing == 0


def test_an_end_goes_before_what_was_said_after_it() -> None:
    """Both wait for the audio before them."""
    audio = Contiguous(0)
    audio.take(chunk(2))
    audio.take(AudioEnded(offset=2 * STEP))
    audio.take(chunk(1))

    kinds = [type(event) for event in audio.take(chunk(0))]

    assert kinds == [AudioChunk, AudioChunk, AudioEnded, AudioChunk]


def test_an_end_that_was_dealt_with_is_not_told_again() -> None:
    """A takeover knows of it from the log."""
    assert Contiguous(STEP, ended=STEP).take(AudioEnded(offset=STEP)) == []


def test_a_number_beyond_all_loss_is_refused_before_any_silence_is_made() -> None:
    """One mistaken offset must not take all the memory that there is."""
    audio = Contiguous(0)
    audio.take(AudioChunk(pcm=b"\0\0", offset=10**12))

    with pytest.raises(AudioGap, match="are missing"):
        next(audio.bridge())
