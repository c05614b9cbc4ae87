"""The passes of a Whisper model through CTranslate2 (https://github.com/OpenNMT/CTranslate2).

The library's Whisper takes the encoder's output wherever it takes a spectrogram: one encoder pass
serves the detection of the language, the decoder and the alignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from msgspec.structs import replace as replaced
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import Word
from services.stt.engine import Hint
from services.stt.pieces import pieces
from services.stt.windows import (
    ECHO_LOGPROB,
    FULL_WINDOW_S,
    PART_S,
    QUIET_WINDOW_S,
    Attempt,
    bound,
    unheard,
    wants_parts,
    window_s,
)
from services.stt.words import timed_words

Encoded: TypeAlias = ctranslate2.StorageView
"""What the encoder made of a batch."""

_FRAMES_PER_S = 100
_POSITIONS = 448
"""Of the decoder: prompt and text together."""

_BEAM = 2
"""Of short windows. Greedy decoding loses words in some languages; wider beams gain nothing."""

_FULL_BEAM = 5
"""Of the full window, as in the library."""

_VOCABULARY_TOKENS = 200
"""What a vocabulary has more is left out: it would take the room of the text."""


@dataclass(slots=True, eq=False)
class Utterance:
    """An utterance on its way through the passes.

    Attributes:
        samples: Mono at 16 kHz.
        hint: What is known about it.
        spectrogram: Shape (mels, frames of 10 ms).
        window: Seconds that the encoder is given.
        language: Given or detected; empty before.
        item: Which of the items of a batch it belongs to.
        begin: Where in the item it begins, in samples, if it is a part of it.
        attempt: What was written last.
        words: Their times.
    """

    samples: NDArray[np.float32]
    hint: Hint
    spectrogram: NDArray[np.float32]
    window: int
    language: str
    item: int = 0
    begin: int = 0
    attempt: Attempt | None = None
    words: tuple[Word, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / CALLER_RATE_HZ


class Passes:
    """One loaded model. Utterances that go together have one window and one vocabulary."""

    def __init__(self, loaded: WhisperModel) -> None:
        self._loaded = loaded
        self._tokenizer = lru_cache(maxsize=None)(self._new_tokenizer)
        self._vocabulary = lru_cache(maxsize=256)(self._encoded_vocabulary)

    @property
    def languages(self) -> frozenset[str]:
        """Those that the model knows."""
        return frozenset(self._loaded.supported_languages)

    @property
    def translates(self) -> bool:
        """Whether the model can write English for what is spoken in other languages."""
        return bool(self._loaded.model.is_multilingual)

    def prepared(self, item: int, samples: NDArray[np.float32], hint: Hint) -> list[Utterance]:
        """Return what goes through the passes for an item: one utterance, or its parts."""
        if wants_parts(len(samples) / CALLER_RATE_HZ, hint.language):
            return self._cut(item, samples, hint, hint.language)
        return [self._utterance(item, samples, hint, hint.language)]

    def parts(self, one: Utterance) -> list[Utterance]:
        """Cut a long utterance into some that fit short windows."""
        return self._cut(one.item, one.samples, one.hint, one.language)

    def _cut(
        self, item: int, samples: NDArray[np.float32], hint: Hint, language: str
    ) -> list[Utterance]:
        return [
            replace(self._utterance(item, piece, hint, language), begin=begin)
            for begin, piece in pieces(samples, int(PART_S * CALLER_RATE_HZ))
        ]

    def _utterance(
        self, item: int, samples: NDArray[np.float32], hint: Hint, language: str
    ) -> Utterance:
        spectrogram = self._loaded.feature_extractor(samples)
        window = window_s(len(samples) / CALLER_RATE_HZ)
        return Utterance(samples, hint, spectrogram, window, language, item)

    def encode(self, utterances: Sequence[Utterance]) -> Encoded:
        """Run the encoder."""
        frames = utterances[0].window * _FRAMES_PER_S
        mels = utterances[0].spectrogram.shape[0]
        window = np.zeros((len(utterances), mels, frames), np.float32)
        for row, one in zip(window, utterances, strict=True):
            known = min(frames, one.spectrogram.shape[1])
            if one.window <= QUIET_WINDOW_S:
                row[:, known:] = one.spectrogram.min()
            row[:, :known] = one.spectrogram[:, :known]
        return self._loaded.model.encode(ctranslate2.StorageView.from_array(window))

    def detect(self, encoded: Encoded, utterances: Sequence[Utterance]) -> None:
        """Find the languages that are not known: the likeliest of those that may be."""
        if all(one.language for one in utterances):
            return
        if not self._loaded.model.is_multilingual:
            for one in utterances:
                one.language = "en"
            return
        for one, ranked in zip(
            utterances, self._loaded.model.detect_language(encoded), strict=True
        ):
            codes = [token.strip("<|>") for token, _ in ranked]
            allowed = one.hint.languages or codes
            one.language = one.language or next(code for code in codes if code in allowed)

    def write(self, encoded: Encoded, utterances: Sequence[Utterance]) -> None:
        """Run the decoder; where a vocabulary seems to be echoed, without it again."""
        self._write(encoded, utterances)
        if not any(_may_echo(one) for one in utterances):
            return
        plain = [
            replace(one, hint=replaced(one.hint, vocabulary=""), attempt=None) for one in utterances
        ]
        self._write(encoded, plain)
        for one, heard in zip(utterances, plain, strict=True):
            if _may_echo(one) and heard.attempt is not None and unheard(heard.attempt):
                one.attempt = heard.attempt

    def _write(self, encoded: Encoded, utterances: Sequence[Utterance]) -> None:
        prompts = [self._prompt(one) for one in utterances]
        room = _POSITIONS - len(prompts[0]) - 1
        bounds = [min(room, bound(one.seconds, one.language, one.attempt)) for one in utterances]
        found = self._loaded.model.generate(
            encoded,
            prompts,
            beam_size=_FULL_BEAM if utterances[0].window == FULL_WINDOW_S else _BEAM,
            max_length=len(prompts[0]) + max(bounds),
            return_scores=True,
            return_no_speech_prob=True,
        )
        for one, written, most in zip(utterances, found, bounds, strict=True):
            tokens = tuple(written.sequences_ids[0])
            # The score is a mean over the tokens without the end mark; the sum includes it.
            logprob = written.scores[0] * len(tokens) / (len(tokens) + 1)
            text = self._tokenizer_of(one).decode(tokens).strip()
            one.attempt = Attempt(text, tokens, logprob, written.no_speech_prob, most)

    def align(self, encoded: Encoded, utterances: Sequence[Utterance]) -> None:
        """Find the times of the words for those that want them.

        Args:
            encoded: Of the same utterances.
            utterances: They have been written.
        """
        wanted = [one for one in utterances if one.hint.word_times and one.attempt]
        for tokenizer in {self._tokenizer_of(one) for one in wanted}:
            aligned = self._loaded.model.align(
                encoded,
                tokenizer.sot_sequence,
                [_text_tokens(one, tokenizer) for one in utterances],
                [min(one.spectrogram.shape[1], one.window * _FRAMES_PER_S) for one in utterances],
            )
            for one, path in zip(utterances, aligned, strict=True):
                if one in wanted and self._tokenizer_of(one) is tokenizer:
                    texts, pieces = tokenizer.split_to_word_tokens(_text_tokens(one, tokenizer))
                    sizes = [len(piece) for piece in pieces]
                    one.words = timed_words(
                        list(zip(texts, sizes, strict=True)), path.alignments, one.samples
                    )

    def _prompt(self, one: Utterance) -> list[int]:
        tokenizer = self._tokenizer_of(one)
        before = self._vocabulary(one.hint.vocabulary.strip())
        # With time marks Whisper may end a window early, and leave the rest for the next one.
        return [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _encoded_vocabulary(self, vocabulary: str) -> tuple[int, ...]:
        """Return it as the text before this one, which Whisper goes on from."""
        if not vocabulary:
            return ()
        tokenizer = self._tokenizer("en", "transcribe")
        tokens = tokenizer.encode(f" {vocabulary}")[:_VOCABULARY_TOKENS]
        return (tokenizer.sot_prev, *tokens)

    def _tokenizer_of(self, one: Utterance) -> Tokenizer:
        return self._tokenizer(one.language, "translate" if one.hint.translate else "transcribe")

    def _new_tokenizer(self, language: str, task: str) -> Tokenizer:
        loaded = self._loaded
        return Tokenizer(loaded.hf_tokenizer, loaded.model.is_multilingual, task, language)


def _may_echo(one: Utterance) -> bool:
    prompted = bool(one.hint.vocabulary.strip())
    return prompted and one.attempt is not None and one.attempt.logprob < ECHO_LOGPROB


def _text_tokens(one: Utterance, tokenizer: Tokenizer) -> list[int]:
    tokens = one.attempt.tokens if one.attempt else ()
    return [token for token in tokens if token < tokenizer.eot]
