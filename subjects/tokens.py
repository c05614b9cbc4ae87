"""Subject tokens: the parts between the dots, validated once where they enter the system."""

from __future__ import annotations

import re
import secrets
from typing import Final

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_token(text: str) -> bool:
    """Say whether ``text`` may stand between two dots of a subject."""
    return _TOKEN.fullmatch(text) is not None


def checked(text: str) -> str:
    """Return ``text`` unchanged.

    Raises:
        ValueError: It holds a dot, a wildcard, white space or is longer than 64 characters.
    """
    if not is_token(text):
        raise ValueError(f"not a subject token: {text!r} (letters, digits, - and _, at most 64)")
    return text


def new_token(prefix: str) -> str:
    """Make a random token: ``prefix`` and 64 bits that nobody can guess a neighbour of."""
    return f"{prefix}{secrets.token_hex(8)}"
