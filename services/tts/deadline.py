"""A voice that must keep its time: one that hangs is an error, not a silence without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from services.tts.engine import Engine
from voicebus.errors import EngineTimeout


class Punctual:
    """An :class:`services.tts.engine.Engine` whose pieces come in time, or not at all.

    Args:
        engine: Who speaks.
        piece_s: Deadline of each piece, and of the end behind the last one.
    """

    def __init__(self, engine: Engine, piece_s: float) -> None:
        self._engine = engine
        self._piece_s = piece_s
        self.name = engine.name
        self.synthetic = engine.synthetic
        self.sample_rate_hz = engine.sample_rate_hz
        self.stuck = engine.stuck
        self.language = engine.language
        self.fingerprint = engine.fingerprint

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices, the default one first."""
        return self._engine.voices

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak ``text``; see :meth:`services.tts.engine.Engine.synthesise`.

        Raises:
            EngineTimeout: A piece did not come in time.
        """
        async with aclosing(self._engine.synthesise(text, voice, speed, language)) as pieces:
            while True:
                try:
                    async with asyncio.timeout(self._piece_s):
                        piece = await anext(pieces, None)
                except TimeoutError as err:
                    raise EngineTimeout("The voice did not speak in time.") from err
                if piece is None:
                    return
                yield piece

    async def warm(self) -> None:
        """Load the default voice and speak with it; that may take as long as it takes."""
        await self._engine.warm()

    async def close(self) -> None:
        """Stop the engine."""
        await self._engine.close()
