"""Text for terminals."""

from __future__ import annotations

import textwrap
from typing import Final

_STEERING: Final = {
    *range(0x20),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
} - {ord("\t"), ord("\n")}
_VISIBLE: Final = {code: f"\\u{code:04x}" for code in _STEERING}


def harmless(text: str) -> str:
    """Return what others wrote, with all that would steer a terminal made visible.

    Escape sequences move the cursor, hide what is there or set the clipboard, and controls of the
    direction of writing show words in another order. Ends of lines and tabs stay,
    and JSON remains JSON.
    """
    return text.translate(_VISIBLE)


def wrapped(text: str, indent: int, columns: int = 78) -> str:
    """Wrap a paragraph, with the lines after the first indented."""
    return textwrap.fill(text, columns, subsequent_indent=" " * indent)
