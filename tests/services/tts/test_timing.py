"""Where words end in a stretch of speech."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.text import speakable
from services.tts.timing import word_ends_ms


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("ab cd", (300, 600)),
        ("one two three", (400, 800, 1400)),
        ("It costs $5.", (300, 900, 2300)),
        ("", ()),
        ("***", (100,)),
    ],
)
def test_a_word_ends_with_its_share_of_the_letters(text: str, ends: tuple[int, ...]) -> None:
    """Each letter takes as long as any other; what is not said takes no time."""
    length = len(speakable(text))

    assert word_ends_ms(text, 100, 100 + 100 * length, speakable) == ends


def test_the_label_of_a_link_is_said_and_not_its_address() -> None:
    """Marks and addresses, which nobody hears, move no word."""
    plain = word_ends_ms("see the page now", 0, 1600, speakable)
    marked = word_ends_ms("see **the** [page](https://example.org/a/b/c) now", 0, 1600, speakable)

    assert marked == plain == (300, 700, 1200, 1600)


@given(
    st.lists(st.sampled_from(["word", "$5", "1984,", "**bold**", "*", "e.g.", "10:30", "и", "😀"])),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_times_never_fall_and_end_with_the_stretch(words: list[str], start: int, span: int) -> None:
    """There is one for each word, inside the stretch."""
    ends = word_ends_ms(" ".join(words), start, start + span, speakable)

    assert len(ends) == len(words)
    assert all(start <= sooner <= later for sooner, later in pairwise(ends))
    assert not ends or ends[-1] == start + span
