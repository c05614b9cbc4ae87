"""A TTS engine without a voice: a quiet tone as long as the words would take.

For measurements of everything around the voice, to run the system without one, and to see what
becomes of a turn whose voice goes wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.faults import NO_FAULT, SLOWNESS, Fault, FaultPlan
from services.tts.engine import MAX_SPEED, MIN_SPEED
from voicebus.errors import UnknownVoice

Samples = NDArray[np.int16]


class SyntheticSettings(Struct, frozen=True, kw_only=True):
    """How the synthetic voice behaves.

    Fields
        sample_rate_hz: Rate of its audio.
        ms_per_char: Length of the tone for each character.
        ttfa_ms: Time before the first piece of each text.
        piece_ms: Length of a piece; 0 for one piece for the whole text.
        pace: Time that a piece takes to compute, as a part of its length.
        tone_hz: Pitch of the tone.
        level_dbfs: Its peak: quiet, but above the -50 dBFS that count as audible.
        fault: What goes wrong, counted in all pieces that the engine makes; its text is looked for
            in what is spoken.
    """

    sample_rate_hz: int = 22_050
    ms_per_char: float = 60.0
    ttfa_ms: float = 40.0
    tone_hz: float = 220.0
    level_dbfs: float = -30.0
    piece_ms: float = 0.0
    pace: float = 0.0
    fault: FaultPlan = NO_FAULT


class SyntheticEngine:
    """An :class:`services.tts.engine.Engine` that speaks no words."""

    name = "synthetic"
    synthetic = True
    voices = ("synthetic",)

    def __init__(self, settings: SyntheticSettings) -> None:
        self._settings = settings
        self._made = 0

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the tone."""
        return self._settings.sample_rate_hz

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Yield one tone for the whole text, in as many pieces as the settings say."""
        if voice and voice not in self.voices:
            raise UnknownVoice(f"There is no voice {voice!r}.")
        settings = self._settings
        bounded = min(MAX_SPEED, max(MIN_SPEED, speed))
        seconds = len(text.strip()) * settings.ms_per_char / 1000 / bounded
        samples = int(seconds * settings.sample_rate_hz)
        if samples == 0:
            return
        await asyncio.sleep(settings.ttfa_ms / 1000)
        phase = 2 * np.pi * settings.tone_hz / settings.sample_rate_hz * np.arange(samples)
        peak = 32767 * 10 ** (settings.level_dbfs / 20)
        # A cosine: audible from the first sample on.
        tone = (peak * np.cos(phase)).astype(np.int16)
        step = int(settings.piece_ms * settings.sample_rate_hz / 1000) or samples
        for first in range(0, samples, step):
            piece = tone[first : first + step]
            length_s = len(piece) / settings.sample_rate_hz
            await asyncio.sleep(length_s * settings.pace)
            made = await self._spoilt(piece, text, length_s)
            if not len(made):
                return
            self._made += 1
            yield made

    async def _spoilt(self, piece: Samples, text: str, length_s: float) -> Samples:
        """Return what becomes of a piece; nothing where the engine falls silent."""
        match self._settings.fault.due(self._made, text):
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.SLOW:
                await asyncio.sleep(max(length_s, self._settings.ttfa_ms / 1000) * SLOWNESS)
            case Fault.GARBAGE:
                return np.random.default_rng(0).integers(-32767, 32767, len(piece), np.int16)
            case Fault.SILENCE:
                return piece[:0]
            case _:
                pass
        return piece

    async def warm(self) -> None:
        """Nothing to load."""

    def language(self, voice: str) -> str:
        """Take every text for English."""
        return "en"

    def fingerprint(self, voice: str) -> str:
        """Return nothing: what the stand-in measures would not happen."""
        return ""

    def stuck(self, since_s: float) -> None:
        """Nothing blocks."""

    async def close(self) -> None:
        """Nothing to give back."""
