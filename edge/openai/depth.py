"""How deep JSON may be nested: many walk what a client sent, and their stack has a bound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import astuple

MOST: Final = 100
"""Deepest nesting. Python's own bound is ten times that, and counts who calls whom as well."""


def is_deep(value: Any) -> bool:
    """Whether a value is nested deeper than anybody needs."""
    level = [value]
    for _ in range(MOST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return value.values()
        case list() | tuple():
            return value
        case Struct():
            return astuple(value)
    return ()
