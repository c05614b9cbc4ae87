"""What is missing and what is there twice, in words and in samples. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Samples = NDArray[np.int16]

ROUNDING: Final = 8
"""Samples that differ by less are the same: resampling rounds."""

_SAME_NUMBER: Final = 0.15
"""A length that is said in tenths of a second may be rounded to the next one."""

_STEP: Final = 320
"""Recordings are looked for in pieces of 20 ms where they are not found as a whole."""

_LONGEST_GAP: Final = 16_000
"""What comes later belongs to another turn, in which the same may have been said."""


class Harm(Struct, frozen=True):
    """What a copy has too little and too much.

    Fields
        lost: How much of the original is not in the copy.
        doubled: How much is in the copy that should not be.
    """

    lost: int = 0
    doubled: int = 0

    def __add__(self, other: Harm) -> Harm:
        return Harm(self.lost + other.lost, self.doubled + other.doubled)


def number_in(word: str) -> float | None:
    """Return the number that a word is; None if it is none."""
    try:
        return float(word) if word.strip("-")[:1].isdecimal() else None
    except ValueError:
        return None


def of_words(expected: Sequence[str], heard: Sequence[str]) -> Harm:
    """Compare words. A word in another's place is one lost and one too many."""
    near = [_rounded(word, expected) for word in heard]
    matcher = difflib.SequenceMatcher(None, list(expected), near, autojunk=False)
    lost = doubled = 0
    for tag, begin, end, begin_heard, end_heard in matcher.get_opcodes():
        if tag != "equal":
            lost += end - begin
            doubled += end_heard - begin_heard
    return Harm(lost, doubled)


def of_samples(expected: Samples, heard: Samples) -> Harm:
    """Compare audio that is to be the same.

    Of audio with another length the difference is what was lost or doubled. Audio of the same
    length that is not the same is so from the first sample on that differs to the last one.
    """
    more = len(heard) - len(expected)
    if more:
        return Harm(max(0, -more), max(0, more))
    wrong = np.flatnonzero(np.abs(heard.astype(np.int32) - expected) >= ROUNDING)
    span = int(wrong[-1] - wrong[0]) + 1 if wrong.size else 0
    return Harm(span, span)


class Found(Struct, frozen=True):
    """Where a recording lies in a longer one.

    Fields
        begin: Its first sample there; -1 if it is not there at all.
        end: Behind its last sample there.
        harm: What of it is missing, and what was put into it.
    """

    begin: int
    end: int
    harm: Harm


def find(recording: Samples, stream: Samples, since: int) -> Found:
    """Look for a recording in a stream, from a sample on."""
    whole = _index(recording, stream, since, len(stream))
    # The same may have been said once more, and then without harm.
    first = _index(recording[:_STEP], stream, since, len(stream))
    if whole is not None and whole == first:
        return Found(whole, whole + len(recording), Harm())
    begin, at, harm = -1, since, Harm()
    for first in range(0, len(recording), _STEP):
        piece = recording[first : first + _STEP]
        until = len(stream) if begin < 0 else min(len(stream), at + _LONGEST_GAP)
        place = _index(piece, stream, at, until)
        if place is None:
            harm += Harm(lost=len(piece))
            continue
        if begin < 0:
            begin = place
        else:
            harm += Harm(doubled=place - at)
        at = place + len(piece)
    return Found(begin, at, harm)


def _index(piece: Samples, stream: Samples, since: int, until: int) -> int | None:
    """Return the first sample of a piece in a stretch of a stream."""
    needle, hay = piece.astype("<i2").tobytes(), stream[since:until].astype("<i2").tobytes()
    at = hay.find(needle)
    while at >= 0 and at % 2:  # between two samples
        at = hay.find(needle, at + 1)
    return since + at // 2 if at >= 0 else None


def _rounded(word: str, expected: Sequence[str]) -> str:
    """Return the number among the expected words that a number is as good as; else the word."""
    value = number_in(word)
    if value is not None:
        for other in expected:
            number = number_in(other)
            if number is not None and abs(number - value) <= _SAME_NUMBER:
                return other
    return word
