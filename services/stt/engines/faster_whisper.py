"""Whisper through CTranslate2 (https://github.com/SYSTRAN/faster-whisper).

CTranslate2's encoder takes windows of any length, so that an utterance gets one that fits
(:mod:`services.stt.windows`); the library's own ``transcribe`` always encodes 30 s. Utterances with
windows of one length go through encoder and decoder together.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from faster_whisper import WhisperModel
from msgspec.structs import replace as replaced
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from services.stt.engine import (
    MAX_SAMPLES,
    Hint,
    Item,
    Outcome,
    Recognition,
    Step,
    Steps,
    expecting,
    ran,
    understood,
)
from services.stt.engines.ctranslate2 import Passes, Utterance
from services.stt.engines.spelling import mended
from services.stt.pieces import Part, continued, joined, pieces
from services.stt.windows import FULL_WINDOW_S, PASS, better, doubt, window_s
from voicebus import metrics
from voicebus.errors import EngineError, EngineUnavailable, RequestRefused


class FasterWhisperEngine:
    """One Whisper model."""

    name = "faster-whisper"
    synthetic = False

    def __init__(
        self,
        folder: Path,
        device: str = "cpu",
        compute_type: str = "int8",
        cpu_threads: int = 2,
    ) -> None:
        """Name the model; :meth:`warm` loads it.

        Args:
            folder: A CTranslate2 Whisper model: model.bin, config.json, tokenizer.json, vocabulary.
            device: ``cpu``, ``cuda`` or ``auto``.
            compute_type: Quantisation, as CTranslate2 names it.
            cpu_threads: Threads of one recognition on a CPU.
        """
        self.model = folder.name
        self._folder = folder
        self._device = device
        self._compute_type = compute_type
        self._cpu_threads = cpu_threads
        # On a GPU two passes at once hold up each other.
        self.parallel = 2 if device == "cpu" else 1
        self._passes: Passes | None = None

    def warm(self) -> None:
        """Load the model and recognise a second of silence.

        Raises:
            EngineUnavailable: A file is missing or corrupt, or the device is not there.
        """
        # Without this file the library would look for one on the network.
        if not (self._folder / "tokenizer.json").is_file():
            raise EngineUnavailable(f"the model {self.model} is not complete")
        try:
            loaded = WhisperModel(
                str(self._folder),
                device=self._device,
                compute_type=self._compute_type,
                cpu_threads=self._cpu_threads,
                num_workers=self.parallel,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as err:
            raise EngineUnavailable(f"the model {self.model} cannot be loaded") from err
        loaded.hf_tokenizer = mended(loaded.hf_tokenizer)
        self._passes = Passes(loaded)
        silence = np.zeros(CALLER_RATE_HZ, np.float32)
        with ThreadPoolExecutor(self.parallel) as threads:
            # Each of the library's workers makes room for its work at its first pass.
            list(threads.map(self.recognise, [silence] * self.parallel, [Hint()] * self.parallel))

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Recognise one utterance; see :meth:`services.stt.engine.Engine.recognise`.

        Raises:
            EngineError: More than 30 s, an unknown language, or not warmed.
        """
        return understood(self.recognise_batch([(samples, hint)])[0])

    def recognise_batch(self, items: Sequence[Item]) -> list[Outcome]:
        """Recognise several utterances; those with equal windows and vocabularies together.

        Raises:
            EngineUnavailable: Not warmed.
        """
        return ran(self.steps(items))

    def steps(self, items: Sequence[Item]) -> Steps:
        """Recognise step by step; see :meth:`services.stt.engine.Engine.steps`."""
        passes = self._require()
        refused: dict[int, Outcome] = {}
        waiting: dict[tuple[int, str], list[Utterance]] = {}
        for index, (samples, hint) in enumerate(items):
            hint = expecting(hint)  # noqa: PLW2901 - the same, in words that Whisper has
            refusal = self._refusal(samples, hint)
            if refusal is not None:
                refused[index] = refusal
            elif len(samples):
                for one in passes.prepared(index, samples, hint):
                    waiting.setdefault((one.window, one.hint.vocabulary), []).append(one)
        done: list[Utterance] = []
        for (window, _), group in waiting.items():
            for at in range(0, len(group), PASS[window]):
                done += yield from _understand(passes, group[at : at + PASS[window]])
                yield "decoded"
        return [
            refused.get(index) or _recognition(hint, [one for one in done if one.item == index])
            for index, (_, hint) in enumerate(items)
        ]

    def bucket(self, samples: NDArray[np.float32], hint: Hint) -> Hashable:
        """Let utterances share a pass that have a short window and a vocabulary in common."""
        window = window_s(len(samples) / CALLER_RATE_HZ)
        return object() if PASS[window] == 1 else (window, expecting(hint).vocabulary)

    def transcribe_long(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Recognise piece by piece; the first piece that has words decides the language.

        Raises:
            EngineError: As :meth:`recognise`.
        """
        parts: list[Part] = []
        for begin, piece in pieces(samples):
            part = self.recognise(piece, hint)
            parts.append(Part(part, begin, len(piece)))
            hint = continued(hint, part)
        return joined(parts, hint.language)

    def _require(self) -> Passes:
        if self._passes is None:
            raise EngineUnavailable(f"the model {self.model} is not loaded yet")
        return self._passes

    def _refusal(self, samples: NDArray[np.float32], hint: Hint) -> EngineError | None:
        if len(samples) > MAX_SAMPLES:
            return EngineError("one recognition takes 30 s of audio at most")
        known = self._require().languages
        if hint.language and hint.language not in known:
            return RequestRefused(f"the model {self.model} does not know '{hint.language}'")
        if not hint.language and hint.languages and known.isdisjoint(hint.languages):
            wanted = ", ".join(hint.languages)
            return RequestRefused(f"the model {self.model} knows none of the languages {wanted}")
        if hint.translate and not self._require().translates:
            return RequestRefused(f"the model {self.model} knows one language and cannot translate")
        return None


Understanding: TypeAlias = Generator[Step, None, list[Utterance]]


def _understand(passes: Passes, utterances: Sequence[Utterance]) -> Understanding:
    """Find what was said in utterances of one bucket; return them, or the parts of them."""
    yield from _once(passes, utterances)
    done: list[Utterance] = []
    for one in utterances:
        reason = doubt(one.attempt, one.window) if one.attempt else ""
        if not reason:
            done.append(one)
            continue
        metrics.STT_RETRIES.labels(reason).inc()
        yield "doubtful"
        # A vocabulary is a pattern, and decoders that loop may be going on with it.
        asked = one if reason == "probability" else _without_vocabulary(one)
        if reason == "loop" and one.window == FULL_WINDOW_S:
            for part in passes.parts(asked):
                yield from _once(passes, [part])
                done.append(part)
            continue
        again = replace(asked, window=FULL_WINDOW_S, language=one.hint.language)
        yield from _once(passes, [again])
        done.append(_better(one, again))
    return done


def _once(passes: Passes, utterances: Sequence[Utterance]) -> Generator[Step, None, None]:
    encoded = passes.encode(utterances)
    yield "encoded"
    passes.detect(encoded, utterances)
    passes.write(encoded, utterances)
    passes.align(encoded, utterances)


def _without_vocabulary(one: Utterance) -> Utterance:
    return replace(one, hint=replaced(one.hint, vocabulary=""))


def _better(one: Utterance, again: Utterance) -> Utterance:
    if one.attempt is None or again.attempt is None:
        return again
    return again if better(one.attempt, again.attempt) is again.attempt else one


def _recognition(hint: Hint, parts: Sequence[Utterance]) -> Recognition:
    found: list[Part] = []
    for one in sorted(parts, key=lambda part: part.begin):
        if one.attempt is not None:
            confidence = math.exp(min(0.0, one.attempt.logprob))
            recognition = Recognition(
                one.attempt.text, one.language, confidence, one.attempt.no_speech, one.words
            )
            found.append(Part(recognition, one.begin, len(one.samples)))
    return found[0].recognition if len(found) == 1 else joined(found, hint.language)
