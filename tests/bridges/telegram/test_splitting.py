"""Long texts in pieces that Telegram takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.telegram.splitting import MESSAGE_UNITS, cut, split, units


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("   ", []),
        ("short", ["short"]),
        ("one two three", ["one two", "three"]),
        ("One. Two three.", ["One. Two", "three."]),
        ("aaaa\n\nbbbb cc", ["aaaa", "bbbb cc"]),
        ("abcdefghijkl", ["abcdefghij", "kl"]),
    ],
)
def test_a_text_is_cut_where_it_is_best(text: str, pieces: list[str]) -> None:
    """Between paragraphs, sentences or words; within a word only where there is no other way."""
    assert split(text, 10) == pieces


def test_length_is_counted_as_telegram_does() -> None:
    """A character outside of the basic plane counts twice."""
    assert units("a🔊") == 3
    assert cut("🔊🔊🔊", 5) == "🔊🔊"


@given(st.text(alphabet="ab .\n🔊", max_size=300), st.integers(4, 40))
def test_no_word_is_lost_and_every_piece_fits(text: str, limit: int) -> None:
    """Whatever was written."""
    pieces = split(text, limit)

    assert all(0 < units(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_text_of_the_longest_length_stays_one() -> None:
    """Nothing is cut that need not be."""
    assert split("a" * MESSAGE_UNITS) == ["a" * MESSAGE_UNITS]
