"""Is it an interruption, or does somebody only say that they listen? Pure.

A backchannel is a short sign of attention that does not claim the floor (V. Yngve, "On getting a
word in edgewise", 1970). What counts is the whole utterance: "yeah" is one, "yeah but" is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_WORDS: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

_PHRASES: Final[frozenset[str]] = frozenset(
    {
        # English
        "ah", "aha", "alright", "cool", "exactly", "good", "got it", "great", "hm", "hmm", "huh",
        "i see", "interesting", "mhm", "mm", "mm-hmm", "mmm", "nice", "oh", "ok", "okay", "really",
        "right", "sure", "true", "uh", "uh-huh", "uh-hum", "uhuh", "um", "wow", "yeah", "yep",
        "yes", "yup",
        # Russian
        "ага", "угу", "да", "так", "ясно", "понятно", "хорошо", "ладно", "точно", "м", "мм", "ммм",
        "гм", "хм", "ого", "ну", "ну да", "конечно", "окей", "понял", "поняла",
        # German, French, Spanish, Italian
        "ach so", "genau", "ja", "mhmm", "na ja", "stimmt", "d'accord", "hein", "oui", "ouais",
        "claro", "sí", "si", "vale", "certo", "capito",
    }
)  # fmt: skip
_MOST_IN_A_ROW: Final = 3


def words_in(text: str) -> int:
    """Return how many words a text has."""
    return len(_WORDS.findall(text))


def is_backchannel(text: str, others: Sequence[str] = ()) -> bool:
    """Return whether an utterance is a sign of attention and no more, or has no words at all.

    Args:
        text: The whole utterance.
        others: Further phrases that count as such.
    """
    said = _plain(text)
    if not said or said in {_plain(other) for other in others}:
        return True
    return _made_of_phrases(said.split(), _MOST_IN_A_ROW)


def _made_of_phrases(words: list[str], most: int) -> bool:
    """Return whether the words are up to ``most`` known phrases, one after the other."""
    if not words:
        return True
    if not most:
        return False
    return any(
        " ".join(words[:size]) in _PHRASES and _made_of_phrases(words[size:], most - 1)
        for size in (1, 2)
        if size <= len(words)
    )


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(_WORDS.findall(folded))
