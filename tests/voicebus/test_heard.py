"""Which words of a reply were heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tts import ClauseSpoken
from tests.services.turn.scenes import uttered
from voicebus.heard import words_heard

CLAUSES = (uttered(1, 0, "One two,", 0), uttered(1, 1, "three four.", 1200))


@pytest.mark.parametrize(
    ("played_ms", "heard"),
    [
        (0, ""),
        (499, ""),
        (500, "One"),
        (999, "One"),
        (1000, "One two,"),
        (1699, "One two,"),
        (1700, "One two, three"),
        (99_999, "One two, three four."),
    ],
)
def test_a_word_was_heard_when_its_audio_had_ended(played_ms: int, heard: str) -> None:
    """A word that was cut off was not."""
    assert words_heard(reversed(CLAUSES), played_ms) == heard


def test_a_filler_is_no_word_of_the_reply() -> None:
    """It has no text."""
    filler = ClauseSpoken(text="", start_ms=0, end_ms=500)
    reply = ClauseSpoken(text="Well.", start_ms=500, end_ms=900, word_ends_ms=(900,), seq=1)

    assert words_heard((filler, reply), 900) == "Well."


def test_without_word_times_a_clause_is_heard_as_a_whole() -> None:
    """An engine may not know more."""
    clause = ClauseSpoken(text="One two.", start_ms=0, end_ms=900)

    assert words_heard((clause,), 899) == ""
    assert words_heard((clause,), 900) == "One two."


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 20_000))
def test_what_was_heard_is_the_head_of_the_reply(sizes: list[int], played_ms: int) -> None:
    """And the more was played, the more was heard."""
    clauses, start_ms = [], 0
    for seq, size in enumerate(sizes):
        clauses.append(uttered(1, seq, " ".join(["word"] * size), start_ms))
        start_ms = clauses[-1].end_ms
    whole = " ".join(clause.text for clause in clauses)
    heard = words_heard(clauses, played_ms)

    assert whole.startswith(heard)
    assert len(heard) <= len(words_heard(clauses, played_ms + 500))
    assert words_heard(clauses, start_ms) == whole
