"""How complete is a turn, by how it sounds and how it reads? Pure.

Each half of the evidence is weak. A melody falls at the end of many a clause, and an engine likes
to put a full stop wherever the audio stops. But where it stops in the middle of a thought the
engine also doubts its last words, and the melody seldom falls just there. A logistic regression
weighs the three; what it was fitted to is in docs/adr/0006-end-of-turn.md.
"""

from __future__ import annotations

import math
import re
from typing import Final

UNJUDGED: Final = -1.0
"""The completion of a turn that nobody judged."""

_BIAS: Final = -4.45
_PER_SOUND: Final = 0.42
_PER_FULL_STOP: Final = 0.6
_PER_CONFIDENCE: Final = 2.0
"""Of the logarithm of the sound's odds, of a sentence's end, and of the engine's doubt."""

_CLEAREST: Final = 0.999
_LEAST_DOUBT: Final = 0.02
_SENTENCE: Final = re.compile(r"(?<!\.\.)[.?!。？！؟।][\"'»”’)]*$")


def completion(sound: float, text: str, confidence: float) -> float:
    """Return the probability that a turn is complete.

    Args:
        sound: The same by its sound alone; :data:`UNJUDGED` when nobody judged it.
        text: What was understood of it.
        confidence: The engine's, 0 to 1.
    """
    heard = 0.5 if sound == UNJUDGED else min(_CLEAREST, max(1 - _CLEAREST, sound))
    doubt = max(_LEAST_DOUBT, 1 - confidence)
    score = _BIAS + _PER_SOUND * math.log(heard / (1 - heard)) - _PER_CONFIDENCE * math.log(doubt)
    if _SENTENCE.search(text):
        score += _PER_FULL_STOP
    return 1 / (1 + math.exp(-score))
