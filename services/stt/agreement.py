"""Which words of a running utterance will not change any more.

Hypotheses of growing audio change at their end, where words are cut off, and seldom before it. What
two hypotheses in a row agree on is taken for settled: LocalAgreement-2 (Liu et al., "Low-latency
sequence-to-sequence speech recognition and translation by partial hypothesis selection",
Interspeech 2020; Macháček et al., "Turning Whisper into real-time transcription system", 2023).
"""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"\S+")


class Agreement:
    """The hypotheses of one utterance; the next utterance needs a new one.

    Attributes:
        text: The last hypothesis as it may be shown. It is the text that was given, unless that
            contradicted words that had been called stable: then these stay, and what the
            hypothesis has after as many words follows them.
    """

    __slots__ = ("_before", "_stable", "text")

    def __init__(self) -> None:
        self.text = ""
        self._before: list[str] = []
        self._stable = ""

    def take(self, text: str) -> int:
        """Take in the next hypothesis.

        Returns:
            How many characters at the head of :attr:`text` are stable; never fewer than before,
            and none of those from before has changed.
        """
        settled = len(_WORD.findall(self._stable))
        self.show(text)
        words = _WORD.findall(text)
        agreed = 0
        while agreed < min(len(words), len(self._before)) and words[agreed] == self._before[agreed]:
            agreed += 1
        self._before = words
        if agreed > settled:
            ends = [match.end() for match in _WORD.finditer(self.text)]
            self._stable = self.text[: ends[agreed - 1]]
        return len(self._stable)

    def show(self, text: str) -> int:
        """Take over a hypothesis that is too young to agree with: nothing new becomes stable.

        Returns:
            How many characters at the head of :attr:`text` are stable, as before.
        """
        settled = len(_WORD.findall(self._stable))
        found = list(_WORD.finditer(text))
        words = [match.group() for match in found]
        if text.startswith(self._stable) and words[:settled] == self._stable.split():
            self.text = text
        else:
            rest = text[found[settled].start() :] if len(found) > settled else ""
            self.text = f"{self._stable} {rest}" if rest else self._stable
        return len(self._stable)
