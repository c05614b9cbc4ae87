"""How much of a Whisper window an utterance needs, and how to tell that it was too little. Pure.

Whisper was trained on windows of 30 s and is given them by default, however short the speech. The
encoder's cost falls with the window, but near the end of a short one Whisper repeats words or loses
them, or goes on after the last one. Guards look for that; what they find is done once more with
the full window. In the full window passages that are alike may loop; they are done once more in
parts.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal, NamedTuple

FULL_WINDOW_S: Final = 30

WINDOWS: Final = ((5.5, 10), (7.5, 12), (12.0, 15), (30.0, FULL_WINDOW_S))
"""Longest utterance, and the window that it gets, both in seconds. Measured with the base model on
English and Russian prompts: closer to the end of its window, one utterance in some twenty loops."""

QUIET_WINDOW_S: Final = 12
"""Windows up to this one are filled up with what silence looks like, longer ones with zeros, as the
library does it. The former hears more in short utterances and repeats more in long ones."""

PART_S: Final = 12.0
"""Long utterances are cut at their quietest points into parts of at most this, which get short
windows: those that loop in the full window, and those in a language other than English. In Russian
the parts take about half the time with fewer errors; in English the full window makes fewer."""

PASS: Final = {10: 8, 12: 6, 15: 4, FULL_WINDOW_S: 1}
"""How many utterances share a pass at most, by their window: together they gain nothing in the full
one, and in the others it bounds the time of a pass."""

ENGLISH_TOKENS_PER_S: Final = 8
"""English speech rarely has more; a decoder that writes more is looping."""

TOKENS_PER_S: Final = 14
"""The same for other languages: Whisper spells most of them in more pieces per word."""

RETRY_TOKENS_PER_S: Final = 24
"""Bound of the second try, for scripts that Whisper spells in bytes."""

REPEATED_WORDS: Final = 5
"""A stretch of as many words or more that follows itself was said once and written twice."""

LOOP_RATIO: Final = 2.4
"""Text that compresses better than this repeats itself; Whisper's own bound."""

DOUBTFUL_LOGPROB: Final = -0.7
"""Below it a short window may be to blame. Whisper's own bound, for the full one, is -1."""

SILENT_LOGPROB: Final = -0.8
SILENT_NO_SPEECH: Final = 0.6
"""Both together: there is nothing to hear, and a larger window would not find more."""

ECHO_LOGPROB: Final = -0.5
ECHO_NO_SPEECH: Final = 0.45
"""Whisper writes words of its vocabulary where nobody spoke, with a middling probability. Below the
first bound it is asked again without the vocabulary; if nothing is heard then, nothing was said."""

_HURRIED: Final = 0.4
_SPARE_TOKENS: Final = 8
_MAX_TOKENS: Final = 440

Doubt = Literal["", "rate", "loop", "probability"]


class Attempt(NamedTuple):
    """What a decoder wrote.

    Attributes:
        text: Without surrounding white space.
        tokens: The text's tokens.
        logprob: Mean logarithm of their probabilities.
        no_speech: Probability of no speech, 0 to 1.
        bound: How many tokens so much audio may have.
    """

    text: str
    tokens: tuple[int, ...]
    logprob: float
    no_speech: float
    bound: int

    @property
    def truncated(self) -> bool:
        """Whether there are more tokens than speech has."""
        return len(self.tokens) >= self.bound

    @property
    def loops(self) -> bool:
        """Whether the text repeats itself: often, or in long stretches and too fast for speech."""
        data = self.text.encode()
        if len(data) / max(1, len(zlib.compress(data))) > LOOP_RATIO:
            return True
        # People do say a sentence twice, but not in the time of one.
        return len(self.tokens) > _HURRIED * self.bound and _repeats(self.text)


def _repeats(text: str) -> bool:
    words = re.findall(r"\w+", text.casefold())
    for period in range(REPEATED_WORDS, len(words)):
        same = 0
        for at in range(period, len(words)):
            same = same + 1 if words[at] == words[at - period] else 0
            # A loop ends with a whole stretch, or with the text, wherever it is in the stretch.
            whole = same >= period or at == len(words) - 1
            if same >= REPEATED_WORDS and whole:
                return True
    return False


def window_s(seconds: float) -> int:
    """Return the window for an utterance of so many seconds, up to 30."""
    return next((window for longest, window in WINDOWS if seconds <= longest), FULL_WINDOW_S)


def wants_parts(seconds: float, language: str) -> bool:
    """Return whether an utterance is cut into parts from the start.

    Args:
        seconds: Its length.
        language: ISO 639-1 code; empty while it is not known.
    """
    return window_s(seconds) == FULL_WINDOW_S and language not in {"", "en"}


def bound(seconds: float, language: str, second_try: Attempt | None = None) -> int:
    """Return how many tokens an utterance may have.

    Args:
        seconds: Its length.
        language: ISO 639-1 code.
        second_try: What the first try wrote, when this is the second.
    """
    rate = ENGLISH_TOKENS_PER_S if language == "en" else TOKENS_PER_S
    if second_try is not None:
        rate = RETRY_TOKENS_PER_S
    return min(_MAX_TOKENS, _SPARE_TOKENS + int(seconds * rate))


def doubt(attempt: Attempt, window: int) -> Doubt:
    """Say why a text needs a second try; empty when it needs none.

    Args:
        attempt: The first try.
        window: The window that it had, in seconds.
    """
    if attempt.logprob < SILENT_LOGPROB and attempt.no_speech > SILENT_NO_SPEECH:
        return ""
    if attempt.truncated:
        return "rate"
    if attempt.loops:
        return "loop"
    doubtful = attempt.logprob < DOUBTFUL_LOGPROB and window != FULL_WINDOW_S
    return "probability" if doubtful else ""


def unheard(attempt: Attempt) -> bool:
    """Return whether a text written without a vocabulary was most likely not said."""
    return attempt.logprob < SILENT_LOGPROB and attempt.no_speech > ECHO_NO_SPEECH


def better(first: Attempt, second: Attempt) -> Attempt:
    """Return the one of two tries that is more likely what was said."""
    return min(first, second, key=lambda one: (one.loops, one.truncated, -one.logprob))
