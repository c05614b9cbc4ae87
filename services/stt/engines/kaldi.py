"""A recogniser of Kaldi's, as Vosk has it, that outlives the utterance it was made for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ

_NO_WORD: Final = re.compile(r"\[.*\]$|<.*>$")
"""What models write for noises and the like."""

_MOMENT: Final = np.zeros(CALLER_RATE_HZ // 100, np.float32)


class Recogniser:
    """One of the library's, for one utterance after the other.

    It makes the network of words that it searches as far as it needs it, and keeps that: with a new
    one the first half second of each utterance takes most of a second. It hears mono at 16 kHz.

    Attributes:
        samples: All that it heard.
        is_sound: Whether the library has failed in no call; then nobody knows what it is good for.
    """

    def __init__(self, made: Any) -> None:
        self._made = made
        self._made.SetWords(True)  # noqa: FBT003 - the library's
        self._begun = self.samples = 0
        self._is_at_pause = False
        self.is_sound = True

    def begin(self) -> None:
        """Begin an utterance. Of one that nobody ended nothing is left."""
        if self.samples > self._begun:
            self.end()

    def take(self, samples: NDArray[np.float32]) -> list[dict[str, Any]]:
        """Take in the next samples; return what the library took for ended with them."""
        with self._calling():
            # Where it takes a pause for an end, it begins anew with what follows.
            self._is_at_pause = self._accepts(samples)
            return self._words(self._made.Result()) if self._is_at_pause else []

    def running(self) -> list[str]:
        """Return the words so far, behind what has ended."""
        with self._calling():
            told: str = json.loads(self._made.PartialResult()).get("partial", "")
        return [word for word in told.split() if not _NO_WORD.match(word)]

    def end(self) -> list[dict[str, Any]]:
        """End the utterance; return its last words."""
        with self._calling():
            if self._is_at_pause:
                # It forgets who spoke only when it is ended, and nothing runs that could be.
                self._accepts(_MOMENT)
            words = self._words(self._made.FinalResult())
        self._begun, self._is_at_pause = self.samples, False
        return words

    @contextmanager
    def _calling(self) -> Iterator[None]:
        self.is_sound = False
        yield
        self.is_sound = True

    def _accepts(self, samples: NDArray[np.float32]) -> bool:
        self.samples += len(samples)
        return bool(self._made.AcceptWaveform(_pcm(samples)))

    def _words(self, told: str) -> list[dict[str, Any]]:
        """Return words with their times in the utterance; the library counts on and on."""
        begun_s = self._begun / CALLER_RATE_HZ
        return [
            {**word, "start": word["start"] - begun_s, "end": word["end"] - begun_s}
            for word in json.loads(told).get("result", ())
            if not _NO_WORD.match(word["word"])
        ]


def _pcm(samples: NDArray[np.float32]) -> bytes:
    return bytes((np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())
