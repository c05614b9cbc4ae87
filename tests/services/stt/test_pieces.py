from __future__ import annotations

import numpy as np
import pytest

from schemas.stt import Word
from services.stt.engine import Recognition
from services.stt.pieces import PIECE_SAMPLES, Part, joined, pieces
from tests.services.stt.speech import noise, silence


@pytest.mark.parametrize("seconds", [0.01, 1, 27.9, 28, 28.1, 95.3, 600])
def test_pieces_are_the_audio(seconds: float) -> None:
    """Audio without silence comes back whole and in order, in pieces that an engine takes."""
    samples = noise(seconds)

    found = [piece for _, piece in pieces(samples)]

    assert all(0 < len(piece) <= PIECE_SAMPLES for piece in found)
    np.testing.assert_array_equal(np.concatenate(found), samples)


def test_a_cut_falls_into_the_pause() -> None:
    """A pause of half a second in the last 10 s of a piece is where it is cut."""
    samples = np.concatenate([noise(22), silence(0.5), noise(20)])

    (_, first), (begin, second) = pieces(samples)

    assert 22 * 16_000 < len(first) < 22.5 * 16_000
    assert len(first) <= begin < 22.5 * 16_000
    assert begin + len(second) == len(samples)


def test_silence_is_left_out() -> None:
    """There is nothing to recognise in digital silence, however long, nor in no audio."""
    assert list(pieces(silence(0))) == []
    assert list(pieces(silence(3_600))) == []


def test_silence_around_sound_is_left_out() -> None:
    """Words in a long silence are given to the engine without it, and where they begin is known."""
    samples = np.concatenate([silence(29), noise(2), silence(29)])

    [(begin, piece)] = pieces(samples)

    assert begin == pytest.approx(28.7 * 16_000, abs=320)
    assert len(piece) == pytest.approx(2.6 * 16_000, abs=640)
    np.testing.assert_array_equal(piece, samples[begin : begin + len(piece)])


def test_parts_may_be_shorter() -> None:
    """Who needs shorter pieces says so."""
    samples = noise(40)

    found = [piece for _, piece in pieces(samples, 12 * 16_000)]

    assert max(len(piece) for piece in found) <= 12 * 16_000
    np.testing.assert_array_equal(np.concatenate(found), samples)


def test_pieces_are_views() -> None:
    """Cutting an hour of audio does not double it."""
    samples = noise(60)

    assert all(np.shares_memory(piece, samples) for _, piece in pieces(samples))


def test_joined_texts_are_one_recognition() -> None:
    """Texts are joined in order; confidence is weighed by length, empty pieces do not count.

    Times of words are counted from where their piece begins.
    """
    whole = joined(
        [
            Part(Recognition("one two", "en", 0.9, 0.1, (Word("one", 5, 9),)), 0, 16_000),
            Part(Recognition("", "nn", 0.1, 0.9), 16_000, 99_000),
            Part(Recognition("three", "en", 0.9, 0.4, (Word("three", 5, 9),)), 160_000, 32_000),
        ],
        "",
    )

    assert (whole.text, whole.language) == ("one two three", "en")
    assert whole.confidence == pytest.approx(0.9)
    assert whole.no_speech == pytest.approx(0.3)
    assert whole.words == (Word("one", 5, 9), Word("three", 10_005, 10_009))


def test_nothing_joined_is_nothing_said() -> None:
    """No pieces, or none with words, give an empty text without confidence."""
    assert joined([], "en") == Recognition("", "en", 0.0, 1.0)
    assert joined([Part(Recognition("", "nn", 0.1, 0.9), 0, 9)], "") == Recognition(
        "", "", 0.0, 1.0
    )
