"""Texts that are longer than a message may be, in pieces. Pure."""

from __future__ import annotations

from typing import Final

MESSAGE_UNITS: Final = 4096
CAPTION_UNITS: Final = 1024
"""Telegram counts UTF-16 code units. Source: https://core.telegram.org/api/entities"""

_BREAKS: Final = ("\n\n", "\n", ". ", "! ", "? ", "… ", " ")
"""Where a text is best cut: the first of these that is found late enough."""


def units(text: str) -> int:
    """Return how long a text is, as Telegram counts."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text)


def cut(text: str, limit: int = MESSAGE_UNITS) -> str:
    """Return the longest beginning that fits."""
    if units(text) <= limit:
        return text
    used = 0
    for index, character in enumerate(text):
        used += 1 + (ord(character) > 0xFFFF)
        if used > limit:
            return text[:index]
    return text


def split(text: str, limit: int = MESSAGE_UNITS) -> list[str]:
    """Return the messages that a text makes: cut between paragraphs, sentences or words.

    None of them is empty or has white space at its ends; together they have every word.
    """
    pieces: list[str] = []
    rest = text.strip()
    while units(rest) > limit:
        head = cut(rest, limit)
        for mark in _BREAKS:
            at = head.rfind(mark)
            if at >= len(head) // 2:
                head = head[: at + len(mark)]
                break
        pieces.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return [*pieces, rest] if rest else pieces
