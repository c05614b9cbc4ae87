"""Long audio in pieces that an engine takes at once, and their texts as one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import Word
from services.stt.engine import Hint, Recognition

PIECE_SAMPLES = 28 * CALLER_RATE_HZ
"""Upper bound of a piece: Whisper's 30 s less a margin for its last token."""

_SEARCHED = 2.8
_FRAME_SAMPLES = CALLER_RATE_HZ // 50
_SMOOTH_FRAMES = 15
_MARGIN_SAMPLES = 3 * CALLER_RATE_HZ // 10
_SILENCE_RMS = 10 ** (-60 / 20)


def pieces(
    samples: NDArray[np.float32], longest: int = PIECE_SAMPLES
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Cut audio at its quietest points into views of at most ``longest``; silence is left out.

    A cut is searched in the last third of a piece, where 300 ms are quietest, so that it falls
    between words. What is below -60 dBFS has nothing to recognise; 300 ms of it stay around sound.

    Args:
        samples: Mono at 16 kHz, shape (n,).
        longest: In samples, at least a second's.

    Yields:
        Where the piece begins in ``samples``, and the piece.
    """
    begin = 0
    while begin < len(samples):
        end = len(samples)
        if end - begin > longest:
            end = begin + _quietest(samples[begin : begin + longest])
        piece = samples[begin:end]
        loud = np.flatnonzero(_frames_rms(piece) > _SILENCE_RMS)
        if len(loud):
            first = max(0, int(loud[0]) * _FRAME_SAMPLES - _MARGIN_SAMPLES)
            last = (int(loud[-1]) + 1) * _FRAME_SAMPLES + _MARGIN_SAMPLES
            yield begin + first, piece[first:last]
        begin = end


class Part(NamedTuple):
    """What was understood in one piece.

    Attributes:
        recognition: What was understood.
        begin: Where the piece begins, in samples.
        size: How many samples it has.
    """

    recognition: Recognition
    begin: int
    size: int


def joined(parts: Sequence[Part], language: str) -> Recognition:
    """Make one recognition of several.

    Args:
        parts: The pieces in order.
        language: What to say when nothing was recognised.
    """
    spoken = [part for part in parts if part.recognition.text]
    total = sum(part.size for part in spoken)
    if not total:
        return Recognition("", language, 0.0, 1.0)
    logs = sum(math.log(max(part.recognition.confidence, 1e-6)) * part.size for part in spoken)
    return Recognition(
        text=" ".join(part.recognition.text for part in spoken),
        language=spoken[0].recognition.language,
        confidence=math.exp(logs / total),
        no_speech=sum(part.recognition.no_speech * part.size for part in spoken) / total,
        words=tuple(
            Word(word.text, word.start_ms + offset_ms, word.end_ms + offset_ms)
            for part in spoken
            for offset_ms in [part.begin * 1000 // CALLER_RATE_HZ]
            for word in part.recognition.words
        ),
    )


def continued(hint: Hint, part: Recognition) -> Hint:
    """Return the hint for the pieces behind ``part``: the first with words decides the language."""
    if hint.language or not part.text:
        return hint
    return msgspec.structs.replace(hint, language=part.language)


def _quietest(piece: NDArray[np.float32]) -> int:
    oldest = len(piece) - int(len(piece) / _SEARCHED)
    rms = _frames_rms(piece[oldest:])
    smooth = np.convolve(rms, np.ones(_SMOOTH_FRAMES, np.float32), mode="valid")
    frame = int(smooth.argmin()) + _SMOOTH_FRAMES // 2
    return oldest + frame * _FRAME_SAMPLES


def _frames_rms(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    whole = len(samples) // _FRAME_SAMPLES * _FRAME_SAMPLES
    frames = samples[:whole].reshape(-1, _FRAME_SAMPLES)
    if not len(frames):
        frames = samples.reshape(1, -1)
    rms: NDArray[np.float32] = np.sqrt(np.square(frames).mean(axis=1, dtype=np.float32))
    return rms
