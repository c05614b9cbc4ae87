"""A stand-in with fixed times, for load, overhead and faults. Its text says what it is."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import Word
from services.faults import NO_FAULT, SLOWNESS, Fault, FaultPlan
from services.stt.engine import (
    MAX_SAMPLES,
    Hint,
    Item,
    Outcome,
    Recognition,
    Steps,
    ran,
)
from services.stt.pieces import Part, joined, pieces
from voicebus.errors import EngineError

_HUNG_S = 3600.0
_AUDIBLE = 10 ** (-60 / 20)


class SyntheticEngine:
    """Takes its time for an utterance and answers with the utterance's length.

    Audio that stays below -60 dBFS has no text, as with a real engine.
    """

    name = "synthetic"
    model = "synthetic"
    synthetic = True
    parallel = 1

    def __init__(
        self, recognise_ms: float = 50.0, fault: FaultPlan = NO_FAULT, rtf: float = 0.0
    ) -> None:
        """Take ``recognise_ms`` for each utterance, and ``rtf`` of its length.

        Args:
            recognise_ms: The time, whatever the length.
            fault: What goes wrong, counted in all recognitions, those of partials included; its
                text is looked for in what would be understood.
            rtf: Further time, as a part of the utterance's length.
        """
        self._recognise_s = recognise_ms / 1000
        self._rtf = rtf
        self._fault = fault
        self._made = 0

    def warm(self) -> None:
        """Do nothing: there is no model."""

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Sleep, then say how long the audio is.

        Raises:
            EngineError: The audio is longer than 30 s, or the engine is to fail.
        """
        if len(samples) > MAX_SAMPLES:
            raise EngineError("one recognition takes 30 s of audio at most")
        seconds = len(samples) / CALLER_RATE_HZ
        time.sleep(self._recognise_s + self._rtf * seconds)
        language = hint.language or (hint.languages or ("en",))[0]
        if not len(samples) or float(np.abs(samples).max()) < _AUDIBLE:
            return Recognition("", language, 0.0, 1.0)
        what = "translation" if hint.translate else "utterance"
        text = self._spoilt(f"synthetic {what} of {seconds:.1f} seconds")
        self._made += 1
        words = _evenly(text, len(samples) * 1000 // CALLER_RATE_HZ) if hint.word_times else ()
        return Recognition(text, language, 1, 0, words)

    def _spoilt(self, text: str) -> str:
        """Return what becomes of a text."""
        match self._fault.due(self._made, text):
            case Fault.HANG:
                time.sleep(_HUNG_S)
            case Fault.SLOW:
                time.sleep(self._recognise_s * (SLOWNESS - 1))
            case Fault.GARBAGE:
                return "\ufffd\x00 }{"
            case Fault.SILENCE:
                return ""
            case _:
                pass
        return text

    def recognise_batch(self, items: Sequence[Item]) -> list[Outcome]:
        """Recognise one after the other."""
        return ran(self.steps(items))

    def steps(self, items: Sequence[Item]) -> Steps:
        """Recognise one after the other, each in one step."""
        outcomes: list[Outcome] = []
        for samples, hint in items:
            if outcomes:
                yield "decoded"
            try:
                outcomes.append(self.recognise(samples, hint))
            except EngineError as err:
                outcomes.append(err)
        return outcomes

    def bucket(self, samples: NDArray[np.float32], hint: Hint) -> Hashable:
        """Let nothing share a pass: there is none."""
        return object()

    def transcribe_long(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Recognise piece by piece."""
        parts = [
            Part(self.recognise(piece, hint), begin, len(piece)) for begin, piece in pieces(samples)
        ]
        return joined(parts, hint.language)


def _evenly(text: str, length_ms: int) -> tuple[Word, ...]:
    words = text.split()
    ends = [length_ms * (n + 1) // len(words) for n in range(len(words))]
    return tuple(
        Word(word, start, end) for word, start, end in zip(words, [0, *ends], ends, strict=False)
    )
