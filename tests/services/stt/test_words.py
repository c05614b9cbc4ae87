from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.stt import Word
from services.stt.words import timed_words
from tests.services.stt.speech import noise, silence

LETTERS = st.text("abж字,. -'", max_size=6)


def path(*frames: int) -> list[tuple[int, int]]:
    """An alignment that reaches each token at a frame."""
    return list(enumerate(frames))


def test_words_begin_where_their_first_token_is_reached() -> None:
    """A word lasts until the next one begins, the last one until the end mark."""
    found = timed_words([(" two", 2), (" words", 1), ("", 1)], path(0, 10, 25, 50), noise(1.2))

    assert found == (Word("two", 0, 500), Word("words", 500, 1000))


def test_pauses_belong_to_no_word() -> None:
    """Silence before and behind a word is taken off its time."""
    samples = np.concatenate([silence(0.2), noise(0.3), silence(0.5), noise(0.2)])

    found = timed_words([(" a", 1), (" b", 1), ("", 1)], path(0, 30, 60), samples)

    assert found == (Word("a", 200, 500), Word("b", 1000, 1200))


def test_punctuation_belongs_to_the_word_before_it() -> None:
    """It is shown with the word and adds no time to it."""
    words = [(" ill", 1), ("-disposed", 2), (".", 1), (" So", 1), ("", 1)]

    found = timed_words(words, path(0, 10, 15, 20, 30, 40), noise(1))

    assert found == (Word("ill-disposed.", 0, 400), Word("So", 600, 800))


def test_an_opening_mark_belongs_to_the_word_behind_it() -> None:
    """Spaces say with which word a mark is written."""
    words = [(" «", 1), ("нет", 1), ("»", 1), (" -", 1), (" да", 1), ("", 1)]

    found = timed_words(words, path(0, 5, 20, 25, 30, 40), noise(1))

    assert found == (Word("«нет»", 100, 400), Word("- да", 600, 800))


def test_scripts_without_spaces_keep_their_pieces() -> None:
    """Where words are not written apart, each piece has its time."""
    found = timed_words([("今", 1), ("天", 1), ("。", 1), ("", 1)], path(0, 10, 20, 30), noise(1))

    assert found == (Word("今", 0, 200), Word("天。", 200, 400))


@st.composite
def alignments(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[tuple[int, int]]]:
    """Words, and a path through their tokens that never goes back."""
    words = draw(st.lists(st.tuples(LETTERS, st.integers(1, 3)), max_size=6))
    tokens = sum(size for _, size in words) + 1
    steps = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
    token, frame, found = 0, 0, [(0, 0)]
    for onward, later in steps:
        token = min(tokens - 1, token + onward)
        frame += later
        found.append((token, frame))
    return [*words, ("", 1)], found


@given(alignments(), st.floats(0, 3), st.integers(0, 3))
def test_words_never_overlap_nor_leave_the_audio(
    aligned: tuple[list[tuple[str, int]], list[tuple[int, int]]], seconds: float, gap: int
) -> None:
    """Whatever the alignment says, times are ordered and inside the audio."""
    samples: NDArray[np.float32] = noise(seconds)
    samples[:: gap + 1] = 0
    words, path_of = aligned

    found = timed_words(words, path_of, samples)

    times = [time for word in found for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert all(0 <= time <= len(samples) * 1000 // 16_000 for time in times)
    letters = "".join(text for text, _ in words) if found else ""
    assert "".join(word.text for word in found).replace(" ", "") == letters.replace(" ", "")
