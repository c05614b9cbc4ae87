"""Recognisers that are used for one utterance after the other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from services.stt.engines.kaldi import Recogniser

SPEECH = np.full(1600, 0.5, np.float32)
QUIET = np.zeros(1600, np.float32)


class Library:
    """What Vosk has for one speaker: whom it has adapted to, and whether anything runs.

    It takes quiet behind speech for an end, and forgets its speaker only where what runs is ended.
    """

    def __init__(self) -> None:
        self.speaker = ""
        self.speaks = "first"
        self.runs = self.failing = False

    def SetWords(self, wanted: bool) -> None:  # noqa: N802 - the library's
        """There are none."""

    def AcceptWaveform(self, pcm: bytes) -> bool:  # noqa: N802 - the library's
        """Adapt to who speaks, unless that is known."""
        if self.failing:
            raise RuntimeError("Failed to process waveform")
        self.runs = True
        if any(pcm):
            self.speaker = self.speaker or self.speaks
        return not any(pcm)

    def Result(self) -> str:  # noqa: N802 - the library's
        """End what was said, not the speaker."""
        self.runs = False
        return json.dumps({})

    def FinalResult(self) -> str:  # noqa: N802 - the library's
        """End what runs, if anything does."""
        if self.runs:
            self.speaker, self.runs = "", False
        return json.dumps({})


@pytest.mark.parametrize("heard_to_its_end", [True, False])
@pytest.mark.parametrize("last", [SPEECH, QUIET], ids=["in speech", "in a pause"])
def test_nobody_is_heard_with_the_ears_for_another(
    last: np.ndarray, heard_to_its_end: bool
) -> None:
    """The library adapts to a voice, and is to forget it with the utterance, wherever that ends."""
    library = Library()
    recogniser = Recogniser(library)
    recogniser.begin()
    recogniser.take(SPEECH)
    recogniser.take(last)
    if heard_to_its_end:
        recogniser.end()
    recogniser.begin()
    library.speaks = "second"
    recogniser.take(SPEECH)

    assert library.speaker == "second"


def test_one_that_failed_says_so() -> None:
    """What is in it then nobody knows."""
    library = Library()
    recogniser = Recogniser(library)
    recogniser.take(SPEECH)
    assert recogniser.is_sound

    library.failing = True
    with pytest.raises(RuntimeError):
        recogniser.take(SPEECH)
    assert not recogniser.is_sound
