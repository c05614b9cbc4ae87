"""From what was written to what is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from services.tts.text import addresses, english, russian
from services.tts.text.markup import without_markup, without_pictures
from services.tts.text.rules import Rule, applied

_SPACE: Final = re.compile(r"\s+")
_SPACE_BEFORE_MARK: Final = re.compile(r"\s+(?=[,.;:!?…](?:\s|\Z))")
_NO_WORDS: Final = re.compile(r"[*_`~#|<>\[\]{}\\^=]+|\(\s*\)")
_DOUBLE_MARK: Final = re.compile(r"([,;:])(?:\s*[,;:])+(?=\s|\Z)|[,;:]\s*(?=[.!?](?:\s|\Z))")
_FIRST_MARK: Final = re.compile(r"^[\s,;:.!?]+(?=\w)")
_CYRILLIC: Final = re.compile(r"[Ѐ-ӿ]")

_RULES: Final[Mapping[str, tuple[Rule, ...]]] = {"en": english.RULES, "ru": russian.RULES}
_NAMES: Final = {"en": addresses.ENGLISH, "ru": addresses.RUSSIAN}


def speakable(text: str, language: str = "") -> str:
    """Return the words of ``text`` as they are to be spoken.

    Markdown, tags, emoji and control characters go; the text of a link stays and its address goes;
    bare addresses become readable. In English and Russian, numbers and what belongs to them
    (currencies, units, times, dates) and abbreviations become words; in other languages they are
    left to the voice. Whitespace becomes single spaces. Plain words come back as they are.

    Args:
        text: Any text at all.
        language: ISO 639-1 code; empty for English or, in Cyrillic, Russian.

    Returns:
        The words, or "" when there is no letter and no digit.
    """
    language = language or ("ru" if _CYRILLIC.search(text) else "en")
    plain = without_pictures(without_markup(text))
    if not any(char.isalnum() for char in plain):
        return ""
    plain = addresses.read_aloud(plain, _NAMES.get(language, addresses.ENGLISH))
    plain = applied(_RULES.get(language, ()), plain)
    plain = _NO_WORDS.sub(" ", plain)
    plain = _SPACE_BEFORE_MARK.sub("", _SPACE.sub(" ", plain))
    plain = _DOUBLE_MARK.sub(r"\1", plain)
    plain = _FIRST_MARK.sub("", plain).strip()
    return plain if any(char.isalnum() for char in plain) else ""
