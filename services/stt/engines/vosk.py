"""Vosk models (Kaldi): speech is understood as it goes on (https://github.com/alphacep/vosk-api).

A model is a folder with ``am/``, ``graph/`` and the like, and knows one language. Words come in
lower case and without punctuation.
"""

from __future__ import annotations

import json
import math
import re
import weakref
from collections.abc import Generator, Hashable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import vosk
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import Word
from services.stt.engine import (
    MAX_SAMPLES,
    Hint,
    Item,
    Outcome,
    Recognition,
    Step,
    Steps,
    ran,
    understood,
)
from services.stt.engines.kaldi import Recogniser
from services.stt.pieces import Part, joined, pieces
from voicebus.errors import ConfigError, EngineError, EngineUnavailable, RequestRefused

_STEP_SAMPLES: Final = CALLER_RATE_HZ // 2
"""Between so much audio other work can go first: some 50 ms of computing."""

_FADING: Final = np.zeros(CALLER_RATE_HZ * 3 // 10, np.float32)
"""The network looks ahead: without something behind it, the last word would be missing."""

_MOST_IDLE: Final = 4
"""Recognisers that wait for the next utterance. Each has tens of MB of its own, later hundreds."""

_LONGEST_USE_SAMPLES: Final = 600 * CALLER_RATE_HZ
"""What a recogniser found out grows with all that it hears, more and more slowly."""

_OTHER: Final = "[unk]"
"""What stands in a grammar for all that is not in it, where the model has such a word."""

_NEEDED: Final = ("am/final.mdl", "conf/mfcc.conf", "graph")
_NAMED: Final = re.compile(r"vosk-model-(?:small-)?([a-z]{2,3})(?:-|$)")


class VoskEngine:
    """One Vosk model: an :class:`services.stt.engine.Engine` that also hears as speech goes on."""

    name = "vosk"
    synthetic = False

    def __init__(self, folder: Path, language: str = "", threads: int = 2) -> None:
        """Name the model; :meth:`warm` loads it.

        Args:
            folder: The model.
            language: ISO 639-1 code of what it knows; empty to read it in the folder's name, as in
                ``vosk-model-small-ko-0.22``.
            threads: How many utterances are recognised at the same time, each in one thread.

        Raises:
            ConfigError: The language is not given, and the name does not tell it.
        """
        named = _NAMED.match(folder.name)
        if not language and named is None:
            raise ConfigError(f"which language the model {folder.name} knows has to be said")
        self.model = folder.name
        self.language = language or (named.group(1) if named else "")
        self.parallel = threads
        self._folder = folder
        self._loaded: Any = None
        self._idle: list[Recogniser] = []
        self._spent: list[Recogniser] = []

    def warm(self) -> None:
        """Load the model and recognise a second of silence, with as many as there are threads.

        Raises:
            EngineUnavailable: A file is missing or corrupt.
        """
        if self._loaded is not None:
            return
        # The library itself ends the process over some of them, or looks for them on the network.
        if not all((self._folder / needed).exists() for needed in _NEEDED):
            raise EngineUnavailable(f"the model {self.model} is not complete")
        vosk.SetLogLevel(-1)
        try:
            self._loaded = vosk.Model(str(self._folder))
        except Exception as err:  # it raises this very class
            raise EngineUnavailable(f"the model {self.model} cannot be loaded") from err
        silence = np.zeros(CALLER_RATE_HZ, np.float32)
        hearings = [self.begin(Hint()) for _ in range(self.parallel)]
        for hearing in hearings:
            hearing.hear(silence)
            hearing.finish()

    def begin(self, hint: Hint) -> VoskHearing:
        """Begin an utterance; see :meth:`services.stt.streaming.Streaming.begin`."""
        self._refuse(hint)
        self._spent.clear()
        if hint.grammar:
            recogniser = Recogniser(self._held_to(hint.grammar))
            left = self._spent.append
        else:
            recogniser = self._free()
            left = self._keep
        hearing = VoskHearing(recogniser, self.language, hint)
        # Not all utterances are heard to their end.
        weakref.finalize(hearing, left, recogniser).atexit = False
        return hearing

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Recognise one utterance; see :meth:`services.stt.engine.Engine.recognise`.

        Raises:
            EngineError: More than 30 s, another language, a grammar with unknown words, or not
                warmed.
        """
        return understood(self.recognise_batch([(samples, hint)])[0])

    def recognise_batch(self, items: Sequence[Item]) -> list[Outcome]:
        """Recognise several utterances, one after the other."""
        return ran(self.steps(items))

    def steps(self, items: Sequence[Item]) -> Steps:
        """Recognise step by step; see :meth:`services.stt.engine.Engine.steps`."""
        outcomes: list[Outcome] = []
        for samples, hint in items:
            try:
                outcomes.append((yield from self._understand(samples, hint)))
            except EngineError as err:
                outcomes.append(err)
        return outcomes

    def bucket(self, samples: NDArray[np.float32], hint: Hint) -> Hashable:
        """Let nothing share a pass: there is none."""
        return object()

    def transcribe_long(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Recognise piece by piece.

        Raises:
            EngineError: As :meth:`recognise`.
        """
        parts = [
            Part(self.recognise(piece, hint), begin, len(piece)) for begin, piece in pieces(samples)
        ]
        return joined(parts, self.language)

    def _understand(
        self, samples: NDArray[np.float32], hint: Hint
    ) -> Generator[Step, None, Recognition]:
        if len(samples) > MAX_SAMPLES:
            raise EngineError("one recognition takes 30 s of audio at most")
        hearing = self.begin(hint)
        for begin in range(0, len(samples), _STEP_SAMPLES):
            hearing.hear(samples[begin : begin + _STEP_SAMPLES])
            yield "decoded"
        return hearing.finish()

    def _free(self) -> Recogniser:
        try:
            recogniser = self._idle.pop()
        except IndexError:
            return Recogniser(vosk.KaldiRecognizer(self._loaded, CALLER_RATE_HZ))
        recogniser.begin()
        return recogniser

    def _keep(self, recogniser: Recogniser) -> None:
        """Keep it for the next utterance, if it is of use.

        Whoever lets the hearing go calls this, be it an event loop. To free what a recogniser has
        takes time: that is left to the thread of the next utterance.
        """
        is_of_use = recogniser.is_sound and recogniser.samples < _LONGEST_USE_SAMPLES
        is_kept = is_of_use and len(self._idle) < _MOST_IDLE
        (self._idle if is_kept else self._spent).append(recogniser)

    def _refuse(self, hint: Hint) -> None:
        """Refuse what the model cannot do.

        Raises:
            EngineError: It is that, or not loaded.
        """
        if self._loaded is None:
            raise EngineUnavailable(f"the model {self.model} is not loaded yet")
        if hint.language and hint.language != self.language:
            raise RequestRefused(f"the model {self.model} does not know '{hint.language}'")
        if not hint.language and hint.languages and self.language not in hint.languages:
            wanted = ", ".join(hint.languages)
            raise RequestRefused(f"the model {self.model} knows none of the languages {wanted}")
        if hint.translate:
            raise RequestRefused(f"the model {self.model} knows one language and cannot translate")

    def _held_to(self, grammar: str) -> Any:
        """Return a recogniser that understands these phrases alone.

        Raises:
            RequestRefused: The model cannot be held to a grammar, or to these words.
        """
        phrases = self._phrases(grammar)
        if self._loaded.vosk_model_find_word(_OTHER) >= 0:
            phrases.append(_OTHER)
        told = json.dumps(phrases, ensure_ascii=False)
        return vosk.KaldiRecognizer(self._loaded, CALLER_RATE_HZ, told)

    def _phrases(self, grammar: str) -> list[str]:
        if not (self._folder / "graph" / "HCLr.fst").exists():
            raise RequestRefused(f"the model {self.model} cannot be held to a grammar")
        phrases = [" ".join(phrase.lower().split()) for phrase in grammar.split(",")]
        words = {word for phrase in phrases for word in phrase.split()}
        unknown = sorted(word for word in words if self._loaded.vosk_model_find_word(word) < 0)
        if unknown:
            # The library would leave them out, and they would never be understood.
            raise RequestRefused(f"the model {self.model} has no word {', '.join(unknown)}")
        return [phrase for phrase in phrases if phrase]


class VoskHearing:
    """One utterance; see :class:`services.stt.streaming.Hearing`."""

    def __init__(self, recogniser: Recogniser, language: str, hint: Hint) -> None:
        self._recogniser = recogniser
        self._language = language
        self._hint = hint
        self._found: list[dict[str, Any]] = []
        self._samples = 0

    def hear(self, samples: NDArray[np.float32]) -> str:
        """Take in the next samples; return what was said so far."""
        self._samples += len(samples)
        self._found += self._recogniser.take(samples)
        return " ".join([*(word["word"] for word in self._found), *self._recogniser.running()])

    def finish(self) -> Recognition:
        """End the utterance; return what was said in it."""
        found = [*self._found, *self._recogniser.take(_FADING), *self._recogniser.end()]
        if not found:
            return Recognition("", self._language, 0.0, 1.0)
        doubts = sum(math.log(max(1e-6, min(1.0, word["conf"]))) for word in found)
        longest_s = self._samples / CALLER_RATE_HZ
        words = tuple(
            Word(word["word"], _ms(word["start"], longest_s), _ms(word["end"], longest_s))
            for word in found
        )
        return Recognition(
            " ".join(word.text for word in words),
            self._language,
            math.exp(doubts / len(found)),
            0.0,
            words if self._hint.word_times else (),
        )


def _ms(at_s: float, length_s: float) -> int:
    return int(max(0.0, min(at_s, length_s)) * 1000)
