"""What a speech-to-text library must do to serve voicebus."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import Word
from voicebus.errors import EngineError

MAX_SAMPLES = 30 * CALLER_RATE_HZ
"""The most that :meth:`Engine.recognise` takes at once: Whisper's window."""


class Hint(msgspec.Struct, frozen=True):
    """What is known about the audio beforehand.

    Fields
        language: ISO 639-1 code; empty to detect it.
        languages: The only ones that detection may find; empty for all.
        vocabulary: Names and words to expect, as they are spelt, separated by commas.
        word_times: Whether the time of each word is wanted.
        translate: Whether English text is wanted, whatever is spoken.
        grammar: The only phrases that may be understood, separated by commas; empty for all.
            Engines that cannot be held to them expect them.
    """

    language: str = ""
    languages: tuple[str, ...] = ()
    vocabulary: str = ""
    word_times: bool = False
    translate: bool = False
    grammar: str = ""


class Recognition(msgspec.Struct, frozen=True):
    """What an engine understood in a stretch of audio.

    Fields
        text: What was said, without surrounding white space; empty when nothing was.
        language: ISO 639-1 code, given or detected.
        confidence: Geometric mean of the tokens' probabilities, 0 to 1.
        no_speech: The engine's own probability that there was no speech, 0 to 1.
        words: The times of the words in milliseconds from the first sample, when the hint wants
            them and the engine knows them.
    """

    text: str
    language: str
    confidence: float
    no_speech: float
    words: tuple[Word, ...] = ()


Item: TypeAlias = tuple[NDArray[np.float32], Hint]
"""An utterance, mono at 16 kHz, -1 to 1, shape (n,), and what is known about it."""

Outcome: TypeAlias = Recognition | EngineError

Step: TypeAlias = Literal["encoded", "doubtful", "decoded"]
"""What a recognition has done so far; after ``doubtful`` it would begin again, more carefully."""

Steps: TypeAlias = Generator[Step, None, list[Outcome]]
"""A recognition that may be interrupted: between its steps other work can go first."""


class Engine(Protocol):
    """One loaded model. All methods block but ``bucket``.

    Attributes:
        name: The library: ``faster-whisper``, ``synthetic``.
        model: The model that is loaded.
        synthetic: True when the text does not come from the audio.
        parallel: How many threads may call it at the same time, once it is warm.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described by the class

    @property
    def model(self) -> str: ...  # noqa: D102 - described by the class

    @property
    def synthetic(self) -> bool: ...  # noqa: D102 - described by the class

    @property
    def parallel(self) -> int: ...  # noqa: D102 - described by the class

    def warm(self) -> None:
        """Load the model and run it once, so that the first caller does not pay for it.

        Raises:
            EngineUnavailable: The model cannot be loaded.
        """

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Recognise one utterance.

        Args:
            samples: Mono at 16 kHz, -1 to 1, shape (n,), at most :data:`MAX_SAMPLES`.
            hint: What is known about it.

        Raises:
            EngineError: The audio is too long, the language is unknown, or the library failed.
        """

    def recognise_batch(self, items: Sequence[Item]) -> list[Outcome]:
        """Recognise several utterances, in one pass as far as they share a bucket.

        Returns:
            One outcome per item in the same order: what was understood, or why it failed.
        """

    def steps(self, items: Sequence[Item]) -> Steps:
        """Recognise as :meth:`recognise_batch`, in steps of at most a few hundred milliseconds.

        The generator may be left alone between two steps while the engine does other work, and
        may be closed there.
        """

    def bucket(self, samples: NDArray[np.float32], hint: Hint) -> Hashable:
        """Return what utterances must have in common to share one pass. Never blocks."""

    def transcribe_long(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Recognise audio of any length, with the memory of one utterance.

        Raises:
            EngineError: As :meth:`recognise`.
        """


def expecting(hint: Hint) -> Hint:
    """Return the hint for an engine that cannot be held to a grammar: its phrases are expected."""
    if not hint.grammar:
        return hint
    told = ", ".join(part for part in (hint.vocabulary, hint.grammar) if part)
    return msgspec.structs.replace(hint, vocabulary=told, grammar="")


def ran(steps: Steps) -> list[Outcome]:
    """Run all steps at once; return what they end with."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            outcomes: list[Outcome] = ended.value
            return outcomes


def understood(outcome: Outcome) -> Recognition:
    """Return what was understood.

    Raises:
        EngineError: Nothing was: this is why.
    """
    if isinstance(outcome, EngineError):
        raise outcome
    return outcome
