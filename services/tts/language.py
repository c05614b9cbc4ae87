"""Which language a text is in, as far as its speaking depends on it."""

from __future__ import annotations

import re
from typing import Final

_VOICE: Final = re.compile(r"([a-z]{2,3})_[A-Z]{2}\b")
_CYRILLIC: Final = re.compile(r"[Ѐ-ӿ]")
_NOT_RUSSIAN: Final = re.compile(r"[^\W\d_а-яёА-ЯЁA-Za-z]")


class Language:
    """The language of a turn's texts, which nobody may have said.

    Args:
        given: What was asked for, an ISO 639-1 code; empty to find out.
        voice: Name of the voice, such as ``en_US-joe-medium``: its language is the likely one.
    """

    def __init__(self, given: str, voice: str) -> None:
        found = _VOICE.match(voice)
        self._given = given
        self._voice = found.group(1) if found else "en"
        self._last = self._voice

    def of(self, text: str) -> str:
        """Return the language of the next text of the turn.

        The script tells Russian from the voice's language; a text without letters, such as a
        number, is in the language of the text before it.
        """
        if self._given:
            return self._given
        if _CYRILLIC.search(text):
            # Other languages have letters of their own; without any, Russian is the likely one.
            self._last = "und" if _NOT_RUSSIAN.search(text) else "ru"
        elif any(char.isalpha() for char in text):
            self._last = self._voice
        return self._last
