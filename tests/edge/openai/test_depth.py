"""JSON within JSON within JSON."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from edge.openai.depth import MOST, is_deep


class Box(Struct):
    """Something with something in it."""

    inner: Any


@pytest.mark.parametrize("wrap", [lambda it: {"a": it}, lambda it: [1, it], Box])
def test_all_that_nests_is_counted(wrap: Any) -> None:
    """Objects, arrays and what they were read into, up to the bound and no deeper."""
    value: Any = "leaf"
    for _ in range(MOST - 1):
        value = wrap(value)

    assert not is_deep(value)
    assert is_deep(wrap(value))


def test_what_is_wide_is_not_deep() -> None:
    """However much of it there is."""
    assert not is_deep({str(number): [number] * 10 for number in range(1_000)})


def test_the_deepest_is_no_trouble() -> None:
    """It is not walked by going down."""
    value: Any = []
    for _ in range(100_000):
        value = [value]

    assert is_deep(value)
