from __future__ import annotations

import numpy as np
import pytest

from benchmarks.alignment import Found, Harm, find, of_samples, of_words

NOISE = np.random.default_rng(1).integers(-9000, 9000, 16_000, np.int16)
SAID = NOISE[4000:8000]


@pytest.mark.parametrize(
    ("heard", "harm"),
    [
        ("one two three four", Harm()),
        ("one three four", Harm(lost=1)),
        ("one two two three four", Harm(doubled=1)),
        ("one two three four three four", Harm(doubled=2)),
        ("one five three four", Harm(lost=1, doubled=1)),
        ("", Harm(lost=4)),
    ],
)
def test_words_are_lost_and_doubled(heard: str, harm: Harm) -> None:
    """A missing one is lost, one too many is doubled, a wrong one is both."""
    assert of_words(["one", "two", "three", "four"], heard.split()) == harm


def test_a_length_may_be_rounded_to_the_next_tenth() -> None:
    """2.4 s and 2.5 s are the same utterance; 2.1 s lacks a part of it."""
    said = ["utterance", "of", "2.4", "seconds"]

    assert of_words(said, ["utterance", "of", "2.5", "seconds"]) == Harm()
    assert of_words(said, ["utterance", "of", "2.1", "seconds"]) == Harm(lost=1, doubled=1)
    assert of_words(said, ["utterance", "of", "24", "seconds"]) == Harm(lost=1, doubled=1)


def test_samples_are_lost_and_doubled() -> None:
    """Another length says how many; the same length with other samples says where."""
    hole = SAID.copy()
    hole[100:150] = 0
    hole[100] = hole[149] = 20_000

    assert of_samples(SAID, SAID + 1) == Harm()
    assert of_samples(SAID, SAID[320:]) == Harm(lost=320)
    assert of_samples(SAID, np.concatenate([SAID, SAID[:10]])) == Harm(doubled=10)
    assert of_samples(SAID, hole) == Harm(lost=50, doubled=50)


def test_a_recording_is_found_as_a_whole() -> None:
    """Also at an odd sample, and only from where it is looked for."""
    assert find(NOISE[4001:8000], NOISE, 0) == Found(4001, 8000, Harm())
    twice = np.concatenate([SAID, SAID])
    assert find(SAID, twice, 1) == Found(4000, 8000, Harm())


def test_a_hole_in_a_recording_is_seen() -> None:
    """Two frames that were never stored are lost, and nothing else."""
    stream = np.concatenate([NOISE[:4640], NOISE[5280:]])

    assert find(SAID, stream, 0) == Found(4000, 7360, Harm(lost=640))


def test_a_doubled_frame_in_a_recording_is_seen() -> None:
    """A frame that was stored twice is too much."""
    stream = np.concatenate([NOISE[:5280], NOISE[4960:]])

    assert find(SAID, stream, 0) == Found(4000, 8320, Harm(doubled=320))


def test_a_recording_that_is_not_there_is_lost() -> None:
    """All of it."""
    assert find(SAID, NOISE[8000:], 0) == Found(-1, 0, Harm(lost=len(SAID)))


def test_what_is_said_again_later_does_not_hide_a_hole() -> None:
    """The first time it was stored without a frame, the second time whole."""
    stream = np.concatenate([NOISE[:4640], NOISE[4960:], NOISE[8000:], SAID])

    assert find(SAID, stream, 0) == Found(4000, 7680, Harm(lost=320))
