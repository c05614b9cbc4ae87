"""Markup and pictures: what of a text is no words."""

from __future__ import annotations

import re
import unicodedata

_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[\w+#.-]*[ \t]*$", re.MULTILINE)
_IMAGE_OR_LINK = re.compile(
    r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?(?:\s+\"[^\"]*\")?\)"
)
_REFERENCE = re.compile(r"!?\[([^\[\]]+)\]\[[^\[\]]*\]")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_TABLE_RULE = re.compile(
    r"^[ \t]*\|?(?:[ \t]*:?-{2,}:?[ \t]*\|)+(?:[ \t]*:?-{2,}:?)?[ \t]*$", re.MULTILINE
)
_TABLE_ROW = re.compile(r"^[ \t]*\|(.*?)\|?[ \t]*$", re.MULTILINE)
_CELL_BORDER = re.compile(r"[ \t]*(?<!\\)\|[ \t]*")
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
_TASK = re.compile(r"^([ \t]*[-*+][ \t]+)\[[ xX]\][ \t]+", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*[-*+•‣◦][ \t]+", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w*])", re.DOTALL)
_STRIKE = re.compile(r"~~(.+?)~~", re.DOTALL)
_BLOCK = re.compile(r"^[ \t]*(?:#{1,6}[ \t]|[-*+•‣◦][ \t]|\d{1,3}[.)][ \t]|\|)")
_LEFT_OVER = re.compile(r"\*{2,}|_{2,}|`+|~~|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
_MARKS_OF_AN_END = ".!?…:;,。！？"
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "So", "Sk"})
_SPOKEN_SYMBOLS = frozenset("°©®™№℃℉")
"""Symbols of category So that voices do say."""

_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_KEYCAP = 0x20E3


def without_markup(text: str) -> str:
    """Return the text without Markdown and tags; the text of a link stays, its address goes."""
    if "\n" in text:
        text = _ended_blocks(text)
    for pattern, replacement in (
        (_FENCE, " "),
        (_IMAGE_OR_LINK, r"\1"),
        (_REFERENCE, r"\1"),
        (_AUTOLINK, r"\1"),
        (_TAG, " "),
        (_TABLE_RULE, " "),
        (_RULE, " "),
        (_HEADING, ""),
        (_QUOTE, ""),
        (_TASK, r"\1"),
        (_BULLET, ""),
    ):
        text = pattern.sub(replacement, text)
    text = _TABLE_ROW.sub(lambda row: _CELL_BORDER.sub(", ", row.group(1).strip()), text)
    for pattern, replacement in ((_EMPHASIS, r"\2"), (_STRIKE, r"\1"), (_LEFT_OVER, "")):
        text = pattern.sub(replacement, text)
    return text


def without_pictures(text: str) -> str:
    """Return the text without emoji, pictographs and control characters."""
    return "".join(map(_kept, text))


def _ended_blocks(text: str) -> str:
    """End each heading, list item and row that others follow: a voice pauses at a mark."""
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1]):
        shown = line.rstrip(" \t|*_`")
        if _BLOCK.match(line) and shown[-1:].isalnum() and shown[-1] not in _MARKS_OF_AN_END:
            lines[number] = line.rstrip(" \t|") + "."
    return "\n".join(lines)


def _kept(char: str) -> str:
    if char.isspace():
        return " "
    if char in _SPOKEN_SYMBOLS:
        return char
    if ord(char) in _VARIATION_SELECTORS or ord(char) == _KEYCAP:
        return ""
    # A zero-width joiner inside an emoji must vanish, not become a gap between words.
    category = unicodedata.category(char)
    if category == "So":
        return " "
    return "" if category in _DROPPED_CATEGORIES else char
