"""How deep JSON may be nested: many walk what a client sent, and their stack has a bound."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import astuple

MOST: Final = 100
"""Deepest nesting. Python's own bound is ten times that, and counts who calls whom as well."""


_LEAVES: Final = frozenset({str, int, float, bool, type(None), bytes})
"""What nothing is in. There may be very many of them, which are passed over quickly."""


def is_deep(value: Any) -> bool:
    """Whether a value is nested deeper than anybody needs."""
    level = [value]
    for _ in range(MOST - 1):
        level = [it for outer in level for it in _inside(outer) if type(it) not in _LEAVES]
        if not level:
            return False
    return any(map(_inside, level))


def _inside(value: Any) -> Collection[Any]:
    match value:
        case dict():
            return value.values()
        case list() | tuple():
            return value
        case Struct():
            return astuple(value)
    return ()
