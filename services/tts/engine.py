"""What the TTS worker needs from a voice library."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicebus.engine_thread import Hang

MIN_SPEED = 0.5
MAX_SPEED = 2.0
"""Speeds outside these bounds are moved to the nearer one: voices break down beyond them."""


class Engine(Protocol):
    """Voices.

    Fields
        name: The library: ``piper``, ``synthetic``.
        synthetic: True when the audio does not speak the text.
        sample_rate_hz: Rate of all audio that it yields.
        voices: Names of the voices, the default one first; more may come while it works.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described by the class

    @property
    def synthetic(self) -> bool: ...  # noqa: D102 - described by the class

    @property
    def sample_rate_hz(self) -> int: ...  # noqa: D102 - described by the class

    @property
    def voices(self) -> tuple[str, ...]: ...  # noqa: D102 - described by the class

    def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak ``text``, piece by piece, the first one as early as it can.

        Args:
            text: Plain words (:func:`services.tts.text.speakable`); "" yields nothing.
            voice: One of ``voices``, or "" for the default.
            speed: 1.0 is the voice's own; bounded by ``MIN_SPEED`` and ``MAX_SPEED``.
            language: ISO 639-1 code of the text, for voices that speak more than one.

        Yields:
            Mono samples at ``sample_rate_hz``, shape (n,), n > 0. ``aclose()`` returns within
            50 ms; nothing of an inference that is still running comes out.

        Raises:
            UnknownVoice: There is no voice of that name.
            EngineError: The library failed, or what it made cannot be speech.
        """
        ...

    async def warm(self) -> None:
        """Load the default voice and speak with it.

        Raises:
            EngineUnavailable: It cannot be loaded.
        """
        ...

    def language(self, voice: str) -> str:
        """Return the ISO 639-1 code of what a voice speaks; empty for one that speaks many.

        Args:
            voice: One of ``voices``, or "" for the default; others speak English.
        """
        ...

    def fingerprint(self, voice: str) -> str:
        """Return what all of a voice's sound depends on but the words and their speed.

        Two workers whose voices have one fingerprint say the same words with the same samples.
        Empty while it is not known, and where the samples differ each time.
        """
        ...

    def stuck(self, since_s: float) -> Hang | None:
        """Return the engine's call that does not end, if there is one.

        Args:
            since_s: Time before this does not count (:func:`time.monotonic`).
        """
        ...

    async def close(self) -> None:
        """Stop the inference thread. The engine is of no use afterwards."""
        ...
