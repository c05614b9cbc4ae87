"""Signs of attention, told from interruptions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.turn.backchannel import is_backchannel, words_in


@pytest.mark.parametrize(
    "text",
    ["Mm-hmm.", "Uh-huh", "Yeah, yeah.", "OK.", "I see.", "Oh, okay.", "угу", "Ага, понятно.", "…"],
)
def test_signs_of_attention_are_recognised(text: str) -> None:
    """Whatever their case and marks."""
    assert is_backchannel(text)


@pytest.mark.parametrize(
    "text",
    ["Yeah, but why?", "No.", "Stop.", "Okay, next question", "да нет", "Wait", "right now please"],
)
def test_what_claims_the_floor_is_none(text: str) -> None:
    """However it begins."""
    assert not is_backchannel(text)


def test_attention_may_be_shown_three_times_but_not_for_ever() -> None:
    """Who goes on and on wants to say something."""
    assert is_backchannel("yeah yeah yeah")
    assert not is_backchannel("yeah yeah yeah yeah")


def test_words_are_counted_without_marks() -> None:
    """A hyphen or an apostrophe does not make two of one."""
    assert words_in("Well, mm-hmm; don't -- stop!") == 4
    assert words_in("… ?!") == 0


@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    """Without words it is none of a speaker's who wants the floor."""
    assert is_backchannel(text) or words_in(text) > 0
