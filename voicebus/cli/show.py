"""Text for terminals."""

from __future__ import annotations

import textwrap


def wrapped(text: str, indent: int, columns: int = 78) -> str:
    """Wrap a paragraph, with the lines after the first indented."""
    return textwrap.fill(text, columns, subsequent_indent=" " * indent)
