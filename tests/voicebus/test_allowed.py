"""What a setting may be, in words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from voicebus.allowed import allowed, listed


class Colour(StrEnum):
    """Two of them."""

    RED = "red"
    BLUE = "blue"


class Some(Struct):
    """One field of each type."""

    flag: bool
    count: int
    share: Annotated[float, Meta(ge=0.0, le=1.0)]
    least: Annotated[int, Meta(ge=1)]
    most: Annotated[int, Meta(le=9)]
    colour: Colour
    word: Literal["here", "there"]
    text: str


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("flag", "true or false"),
        ("count", "a whole number"),
        ("share", "a number from 0 to 1"),
        ("least", "a whole number of at least 1"),
        ("most", "a whole number of at most 9"),
        ("colour", "red or blue"),
        ("word", "here or there"),
        ("text", "text"),
    ],
)
def test_every_type_of_setting_has_words(field: str, words: str) -> None:
    """Nobody has to know how a type is called in Python."""
    assert allowed(Some, field) == words


def test_choices_are_listed_as_people_do() -> None:
    """With commas, and *or* before the last."""
    assert [listed(["a"]), listed(["a", "b", "c"])] == ["a", "a, b or c"]
