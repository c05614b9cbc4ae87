"""From aligned tokens to words with their times. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import Word

_FRAME_MS: Final = 20
"""Of the alignment: one frame of Whisper's encoder."""

_STEP_MS: Final = 10
_STEP_SAMPLES: Final = CALLER_RATE_HZ * _STEP_MS // 1000
_QUIET_BELOW_LOUD: Final = 10 ** (-30 / 20)


def timed_words(
    words: Sequence[tuple[str, int]],
    alignment: Sequence[tuple[int, int]],
    samples: NDArray[np.float32],
) -> tuple[Word, ...]:
    """Return words with the times at which they were said.

    A word begins when the aligned path reaches its first token. Whisper gives the pauses around a
    word to the word; what is quiet at its head and its tail is therefore taken off. Punctuation
    belongs to the word that it is written with and takes no time.

    Args:
        words: Each word with its number of tokens; the tokens of all are those that were aligned.
        alignment: Pairs (token, frame of 20 ms) along the path, both non-decreasing.
        samples: What was recognised, mono at 16 kHz.

    Returns:
        Words in order, none before its forerunner's end, all inside the audio.
    """
    length_ms = len(samples) * 1000 // CALLER_RATE_HZ
    reached: dict[int, int] = {}
    for token, frame in alignment:
        reached.setdefault(token, frame * _FRAME_MS)
    loud = _loud(samples)
    found: list[Word] = []
    spaced = any(text.startswith(" ") for text, _ in words[1:])
    token, last_ms, opening = 0, 0, ""
    for text, size in words:
        begin_ms = min(max(reached.get(token, last_ms), last_ms), length_ms)
        token += size
        end_ms = min(max(reached.get(token, length_ms), begin_ms), length_ms)
        if not any(character.isalnum() for character in text):
            if found and not opening and not text.startswith(" "):
                found[-1] = _longer(found[-1], text, found[-1].end_ms)
            else:
                opening += text
            continue
        begin_ms, last_ms = _heard(loud, begin_ms, end_ms)
        if found and spaced and not text.startswith(" "):
            found[-1] = _longer(found[-1], opening + text, last_ms)
        else:
            found.append(Word((opening + text).strip(), begin_ms, last_ms))
        opening = ""
    if found:
        found[-1] = _longer(found[-1], opening, found[-1].end_ms)
    return tuple(found)


def _longer(word: Word, text: str, end_ms: int) -> Word:
    return Word((word.text + text).strip(), word.start_ms, end_ms)


def _loud(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say of each 10 ms whether they are at most 30 dB quieter than the loud parts."""
    whole = len(samples) // _STEP_SAMPLES * _STEP_SAMPLES
    peaks = np.abs(samples[:whole]).reshape(-1, _STEP_SAMPLES).max(axis=1, initial=0.0)
    if not len(peaks):
        return np.zeros(0, np.bool_)
    loud: NDArray[np.bool_] = peaks > _QUIET_BELOW_LOUD * np.percentile(peaks, 95)
    return loud


def _heard(loud: NDArray[np.bool_], begin_ms: int, end_ms: int) -> tuple[int, int]:
    inside = np.flatnonzero(loud[begin_ms // _STEP_MS : -(-end_ms // _STEP_MS)])
    if not len(inside):
        return begin_ms, end_ms
    first = begin_ms // _STEP_MS * _STEP_MS
    heard_ms = first + int(inside[0]) * _STEP_MS, first + (int(inside[-1]) + 1) * _STEP_MS
    return max(begin_ms, heard_ms[0]), min(end_ms, heard_ms[1])
