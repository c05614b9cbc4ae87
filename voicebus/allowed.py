"""What a setting may be, in words: for errors, and for the page of all settings."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec.inspect as types
from msgspec import Struct


def allowed(kind: type[Struct], field: str) -> str:
    """Return what a field of a settings struct may be.

    Args:
        kind: The struct.
        field: Name of the field.
    """
    of = types.type_info(kind)
    if not isinstance(of, types.StructType):
        raise TypeError(f"{kind} is no struct")
    return _words(next(entry.type for entry in of.fields if entry.name == field))


def _words(of: types.Type) -> str:
    match of:
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return "a whole number" + _bounds(of.ge, of.le)
        case types.FloatType():
            return "a number" + _bounds(of.ge, of.le)
        case types.LiteralType():
            return listed([str(value) for value in of.values])
        case types.EnumType():
            return listed([str(member.value) for member in of.cls])
    return "text"


def _bounds(lowest: float | None, highest: float | None) -> str:
    if lowest is None and highest is None:
        return ""
    if highest is None:
        return f" of at least {_number(lowest)}"
    if lowest is None:
        return f" of at most {_number(highest)}"
    return f" from {_number(lowest)} to {_number(highest)}"


def _number(bound: float | None) -> str:
    # Annotations that compare equal are one to Python: 1 may have become 1.0, and 1.0 become 1.
    return str(int(bound) if bound is not None and bound == int(bound) else bound)


def listed(words: Sequence[str]) -> str:
    """Return words as people list choices: ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
