"""Vosk models (Kaldi): speech is understood as it goes on (https://github.com/alphacep/vosk-api).

A model is a folder with ``am/``, ``graph/`` and the like, and knows one language. Words come in
lower case and without punctuation.
"""

from __future__ import annotations

import json
import math
import re
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
from services.stt.pieces import Part, joined, pieces
from voicebus.errors import ConfigError, EngineError, EngineUnavailable, RequestRefused

_STEP_SAMPLES: Final = CALLER_RATE_HZ // 2
"""Between so much audio other work can go first: some 50 ms of computing."""

_FADING: Final = np.zeros(CALLER_RATE_HZ * 3 // 10, np.float32)
"""The network looks ahead: without something behind it, the last word would be missing."""

_OTHER: Final = "[unk]"
"""What stands in a grammar for all that is not in it, where the model has such a word."""

_NO_WORD: Final = re.compile(r"\[.*\]$|<.*>$")
"""What models write for noises and the like."""

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

    def warm(self) -> None:
        """Load the model and recognise a second of silence.

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
        self.recognise(np.zeros(CALLER_RATE_HZ, np.float32), Hint())

    def begin(self, hint: Hint) -> VoskHearing:
        """Begin an utterance; see :meth:`services.stt.streaming.Streaming.begin`."""
        return VoskHearing(self._recogniser(hint), self.language, hint)

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

    def _recogniser(self, hint: Hint) -> Any:
        """Return a recogniser for one utterance.

        Raises:
            EngineError: The model is not loaded, or cannot do what is asked for.
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
        if not hint.grammar:
            return vosk.KaldiRecognizer(self._loaded, CALLER_RATE_HZ)
        phrases = self._phrases(hint.grammar)
        if self._loaded.vosk_model_find_word(_OTHER) >= 0:
            phrases.append(_OTHER)
        grammar = json.dumps(phrases, ensure_ascii=False)
        return vosk.KaldiRecognizer(self._loaded, CALLER_RATE_HZ, grammar)

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

    def __init__(self, recogniser: Any, language: str, hint: Hint) -> None:
        self._recogniser = recogniser
        self._language = language
        self._hint = hint
        self._found: list[dict[str, Any]] = []
        self._samples = 0
        recogniser.SetWords(True)  # noqa: FBT003 - the library's

    def hear(self, samples: NDArray[np.float32]) -> str:
        """Take in the next samples; return what was said so far."""
        self._samples += len(samples)
        # Where the library takes a pause for an end, it begins anew with what follows.
        if self._recogniser.AcceptWaveform(_pcm(samples)):
            self._found += _words(self._recogniser.Result())
        running: str = json.loads(self._recogniser.PartialResult()).get("partial", "")
        words = [*(word["word"] for word in self._found), *running.split()]
        return " ".join(word for word in words if not _NO_WORD.match(word))

    def finish(self) -> Recognition:
        """End the utterance; return what was said in it."""
        if self._recogniser.AcceptWaveform(_pcm(_FADING)):
            self._found += _words(self._recogniser.Result())
        found = [*self._found, *_words(self._recogniser.FinalResult())]
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
    return int(min(at_s, length_s) * 1000)


def _pcm(samples: NDArray[np.float32]) -> bytes:
    return bytes((np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())


def _words(told: str) -> list[dict[str, Any]]:
    found = json.loads(told).get("result", ())
    return [word for word in found if not _NO_WORD.match(word["word"])]
