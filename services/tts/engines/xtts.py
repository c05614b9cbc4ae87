"""Coqui XTTS v2: voices made of samples, in seventeen languages (https://github.com/idiap/coqui-ai-TTS).

The library needs gigabytes of others, so it has an environment and a worker of its own. The weights
have a licence of theirs (CPML, no commercial use), which who runs them has to have accepted.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.voice import VoiceKept
from services.tts.engine import MAX_SPEED, MIN_SPEED
from services.tts.engines.in_turn import InTurn
from services.tts.engines.xtts_model import SPOKEN_HZ, Manner, Speaker, XttsModel, speaker_of
from voicebus.engine_thread import EngineThread, Hang
from voicebus.errors import EngineError, EngineUnavailable, RequestRefused, UnknownVoice
from voicebus.voices import Offer, Preset

_LONGEST_TEXT: Final = 200
"""Characters that are spoken in one go: the model takes 400 tokens, and some scripts two each."""

_SHORTEST_LIMIT_S: Final = 5.0
_SLOWEST_CHARS_PER_S: Final = 4.0
"""What the model makes beyond that is no speech of this text: it has lost itself."""


class XttsSettings(Struct, frozen=True, kw_only=True):
    """The model, and how it speaks.

    Fields
        folder: With config.json, model.pth and vocab.json, and speakers_xtts.pth if it has any.
        device: ``cpu``, ``cuda``, or ``auto`` for the one that is there.
        threads: Of the inference on a CPU.
        offers: Voices under other names or with a preset; all others are on offer as they are.
        chunk_tokens: After so many of the model's tokens a piece is made: 20 are 0.85 s.
        piece_s: Deadline of each piece, from when its text has its turn.
    """

    folder: Path
    device: str = "auto"
    threads: int = 2
    offers: tuple[Offer, ...] = ()
    chunk_tokens: int = 20
    piece_s: float = 20.0


class _Chosen(NamedTuple):
    speaker: Speaker
    preset: Preset


class XttsEngine:
    """An :class:`services.tts.engine.Engine` with one XTTS model.

    It speaks one clause at a time: the library keeps what it is about in the model itself.

    Args:
        settings: The model.
        kept: The voices that were made of samples, as of now.
    """

    name = "xtts"
    synthetic = False
    sample_rate_hz = SPOKEN_HZ

    def __init__(self, settings: XttsSettings, kept: Callable[[], Mapping[str, VoiceKept]]) -> None:
        self._settings = settings
        self._kept = kept
        self._thread = EngineThread("xtts")
        self._turns = InTurn(self._thread, settings.piece_s)
        self._model: XttsModel | None = None
        self._offers = {offer.name: offer for offer in settings.offers}

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices, the default one first: offers, then the model's, then kept ones."""
        own = () if self._model is None else tuple(self._model.speakers)
        known = {*own, *self._kept()}
        offered = [offer.name for offer in self._settings.offers if offer.model in known]
        return tuple(dict.fromkeys((*offered, *own, *sorted(self._kept()))))

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak ``text``; see :meth:`services.tts.engine.Engine.synthesise`.

        Raises:
            RequestRefused: The model does not speak the language.
            EngineTimeout: A piece did not come in time, the turns of others left aside.
        """
        chosen = self._chosen(voice)
        model = self._require()
        spoken = language or "en"
        if spoken not in model.languages:
            raise RequestRefused(f"The model {model.name} does not speak {spoken!r}.")
        bounded = min(MAX_SPEED, max(MIN_SPEED, speed * chosen.preset.speed))
        for part in _parts(text):
            making = self._speak(model, part, spoken, chosen, bounded)
            async with aclosing(self._turns.spoken(making)) as pieces:
                async for piece in pieces:
                    yield piece

    async def warm(self) -> None:
        """Load the model, and speak with its default voice if there is one yet; but once."""
        if self._model is not None:
            return
        run = asyncio.get_running_loop().run_in_executor
        settings = self._settings
        self._model = await run(
            self._thread, XttsModel, settings.folder, settings.device, settings.threads
        )
        if self._default():
            async for _ in self.synthesise("Hello there.", "", 1.0, self._model.languages[0]):
                pass

    def language(self, voice: str) -> str:
        """Return nothing: each voice speaks what it is given."""
        return ""

    def fingerprint(self, voice: str) -> str:
        """Return what a voice's sound depends on; a seed of the words makes it the same each time.

        That holds on one kind of machine, and so its name is a part of it.
        """
        try:
            chosen, model = self._chosen(voice), self._require()
        except EngineError:
            return ""
        return f"{model.version} {chosen.speaker.digest} {chosen.preset}"

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs; see :meth:`services.tts.engine.Engine.stuck`."""
        return self._thread.stuck(since_s)

    async def close(self) -> None:
        """Stop the thread; an inference that is running ends there by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _require(self) -> XttsModel:
        if self._model is None:
            raise EngineUnavailable("The voice model is not loaded yet.")
        return self._model

    def _default(self) -> str:
        """Return who speaks where nobody is named; empty: nobody.

        Somebody whose samples were taken does only if the settings say so: not because a voice was
        added whose name comes first.
        """
        kept = self._kept()
        return next((name for name in self.voices if name in self._offers or name not in kept), "")

    def _chosen(self, voice: str) -> _Chosen:
        """Return who speaks, and how.

        Raises:
            UnknownVoice: There is no voice of that name, or none at all.
        """
        name = voice or self._default()
        if not name:
            raise UnknownVoice(
                "There is no default voice: voicebus voices add NAME SAMPLE.wav makes one, and "
                "VOICEBUS_TTS_VOICES=NAME lets it speak to everybody"
            )
        offer = self._offers.get(name, Offer(name, name))
        kept, model = self._kept().get(offer.model), self._require()
        if kept is None and offer.model in model.speakers:
            return _Chosen(model.speakers[offer.model], offer.preset)
        if kept is None:
            raise UnknownVoice(f"There is no voice {name!r}.")
        if kept.model != model.digest:
            raise UnknownVoice(f"The voice {name!r} was made for another model; add it again.")
        return _Chosen(speaker_of(kept), offer.preset)

    def _speak(
        self, model: XttsModel, text: str, language: str, chosen: _Chosen, speed: float
    ) -> Generator[NDArray[np.int16], None, None]:
        """Yield the samples of one part, piece by piece. Runs in the thread."""
        left = round((_SHORTEST_LIMIT_S + len(text) / _SLOWEST_CHARS_PER_S) / min(speed, 1.0))
        left *= self.sample_rate_hz
        manner = Manner(
            speed=speed,
            warmth=chosen.preset.temperature,
            chunk_tokens=self._settings.chunk_tokens,
            seed=zlib.crc32(f"{language} {text}".encode()),
        )
        try:
            for piece in model.stream(text, language, chosen.speaker, manner):
                if not np.isfinite(piece).all():
                    raise EngineError("The voice made no usable audio for this text.")
                if len(piece):
                    left -= len(piece)
                    yield (np.clip(piece, -1.0, 1.0) * 32767.0).astype(np.int16)
                if left < 0:
                    raise EngineError("The voice made far too much audio for this text.")
        except EngineError:
            raise
        except Exception as err:  # torch raises classes of many kinds
            raise EngineError("The voice failed to speak this text.") from err


def _parts(text: str) -> Generator[str, None, None]:
    """Cut a text at spaces into parts that the model takes."""
    part = ""
    for word in text.split():
        if part and len(part) + 1 + len(word) > _LONGEST_TEXT:
            yield part
            part = ""
        part = f"{part} {word}" if part else word[:_LONGEST_TEXT]
    if part:
        yield part
