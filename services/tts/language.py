"""Which language a text is in, as far as its speaking depends on it."""

from __future__ import annotations

import re
from typing import Final

_CYRILLIC: Final = re.compile(r"[Ѐ-ӿ]")
_NOT_RUSSIAN: Final = re.compile(r"[^\W\d_а-яёА-ЯЁA-Za-z]")


class Language:
    """The language of a turn's texts, which nobody may have said.

    Args:
        given: What was asked for, an ISO 639-1 code; empty to find out.
        voice: That of the voice, which is the likely one; empty for a voice that speaks many.
    """

    def __init__(self, given: str, voice: str) -> None:
        self._given = given
        self._voice = voice or "en"
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
