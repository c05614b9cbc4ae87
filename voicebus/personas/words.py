"""Texts as they sound: without case and punctuation, and which of their words matter. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_NO_WORD: Final = re.compile(r"[^\w]+|_+")
_NUMBER: Final = re.compile(r"\d+")
_DENYING: Final = (
    "not no never none without nobody nothing cannot cant dont doesnt didnt isnt arent wasnt wont "
    "не нет ни никогда никто ничего без нельзя"
)
_SAID_ASIDE: Final = (
    "a an the is are am was were be do does did can could will would i me my we us our you your it "
    "its to of in on at for by and or so um uh er oh hi hey hello please well "
    "а и в во на с со у к ко о об от до за по из ну ли же бы это я мы мне нам вы вам ты те "
    "мой ваш ваша ваши э эм алло привет скажите пожалуйста"
)

_NEGATIONS: Final = frozenset(_DENYING.split())
_LIGHT: Final = frozenset(_SAID_ASIDE.split())
"""Words that a question has or has not, and means the same."""

_LONGEST: Final = 1_000


def normalised(text: str) -> str:
    """Return words between single spaces, in lower case: equal for texts that sound alike."""
    folded = unicodedata.normalize("NFKC", text[:_LONGEST]).casefold()
    plain = folded.replace("'", "").replace("’", "").replace("ё", "е")
    return _NO_WORD.sub(" ", plain).strip()


def heavy(text: str) -> list[str]:
    """Return the words of a normalised text that make it mean what it means."""
    return [word for word in text.split() if word not in _LIGHT]


def weighty(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return what two questions must have in common to the letter: numbers and negations."""
    words = text.split()
    return (
        frozenset(_NUMBER.findall(text)),
        frozenset(word for word in words if word in _NEGATIONS),
    )
