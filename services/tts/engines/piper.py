"""Piper voices (VITS on onnxruntime, espeak-ng phonemes).

piper-tts is GPL-3.0: this module is its only importer, and runs in a process of its own.
The voices: https://github.com/OHF-Voice/piper1-gpl
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from piper import PiperVoice
from piper.config import PiperConfig

from services.tts.engine import MAX_SPEED, MIN_SPEED
from services.tts.engines import vits
from services.tts.engines.piper_voice import (
    Voice,
    config_file,
    fingerprint_of,
    read_config,
    voice_of,
)
from services.tts.loaded import Loaded
from voicebus.audio.resample import Resampler
from voicebus.engine_thread import EngineThread, Hang
from voicebus.errors import ConfigError, EngineError, EngineUnavailable, UnknownVoice
from voicebus.voices import Offer

_VERSION: Final = f"piper {version('piper-tts')}"
"""Part of what a voice's sound depends on."""

_SHORTEST_LIMIT_S = 3.0
_SLOWEST_PHONEMES_PER_S = 4.0
# Voices of a "medium" size speak 12 to 20 phonemes per second; numbers and pauses take more.


class PiperVoiceSettings(Struct, frozen=True, kw_only=True):
    """One voice.

    Fields
        offer: What it is called, which speaker it is, and how it speaks.
        folder: Where its .onnx and .onnx.json are.
    """

    offer: Offer
    folder: Path


class PiperSettings(Struct, frozen=True, kw_only=True):
    """The voices, and how they are computed.

    Fields
        voices: The voices; the first one is the default, and its sample rate is that of all.
        limit_bytes: Size of the model files that are loaded at once: others are loaded when
            somebody asks for them, in the place of the one that was not used for longest.
        threads: Of the inference; a second one makes the first clause sooner.
        gain: Factor on the amplitude, the same for all clauses. Piper's own normalisation brings
            each clause's loudest sample to full scale, which makes a short clause 5 dB louder
            than a long one; left alone they differ by 3 dB and peak at -3 to -6 dBFS.
    """

    voices: tuple[PiperVoiceSettings, ...]
    limit_bytes: int = 512 << 20
    threads: int = 2
    gain: float = 1.25


@dataclass(frozen=True, slots=True)
class _Model:
    words: PiperVoice
    config: PiperConfig
    synthesis: vits.Synthesis
    fingerprint: str


class PiperEngine:
    """An :class:`services.tts.engine.Engine` with Piper's voices.

    Inference belongs to one thread: calls wait for each other, piece by piece. Models are loaded in
    another one, so that nobody waits for a voice but those who asked for it, and each is loaded
    once for all voices that it makes.

    Raises:
        ConfigError: No voice is named, or a speaker that a model does not have.
        EngineUnavailable: A folder holds no voice.
    """

    name = "piper"
    synthetic = False

    def __init__(self, settings: PiperSettings) -> None:
        if not settings.voices:
            raise ConfigError("At least one voice is needed.")
        self._settings = settings
        self._thread = EngineThread("piper")
        self._loader = EngineThread("piper-load")
        self._loaded = Loaded[_Model](settings.limit_bytes)
        self._loading: dict[Path, asyncio.Task[_Model]] = {}
        self._voices = {
            voice.offer.name: voice_of(voice.offer, voice.folder) for voice in settings.voices
        }
        self._prints: dict[Path, str] = {}
        self._sample_rate_hz = next(iter(self._voices.values())).rate_hz

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the default voice, and so of all."""
        return self._sample_rate_hz

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices, the default one first."""
        return tuple(self._voices)

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak ``text``; see :meth:`services.tts.engine.Engine.synthesise`."""
        chosen = self._voice(voice)
        if chosen is None:
            raise UnknownVoice(f"There is no voice {voice!r}.")
        run = asyncio.get_running_loop().run_in_executor
        scale = 1 / min(MAX_SPEED, max(MIN_SPEED, speed * chosen.preset.speed))
        model = await self._model(chosen)
        for ids in await run(self._thread, _phoneme_ids, text, model):
            pieces, left = self._speak(ids, chosen, model, scale), 1
            while left and (made := await run(self._thread, next, pieces, None)) is not None:
                piece, left = made
                yield piece

    async def warm(self) -> None:
        """Load the default voice and speak with it."""
        # The first inference of each length allocates; a clause and a sentence cover the usual.
        for text in (
            "Hello there.",
            "This voice is warming up for all that it will say today.",
        ):
            async for _ in self.synthesise(text, "", 1.0):
                pass

    def language(self, voice: str) -> str:
        """Return what a voice speaks; see :meth:`services.tts.engine.Engine.language`."""
        chosen = self._voice(voice)
        return "en" if chosen is None else chosen.language

    def fingerprint(self, voice: str) -> str:
        """Return what a voice's sound depends on; empty before it is loaded."""
        chosen = self._voice(voice)
        if chosen is None or chosen.folder not in self._prints:
            return ""
        made_by = self._prints[chosen.folder], chosen.speaker, chosen.preset, self._settings.gain
        return f"{_VERSION} {made_by} {self._sample_rate_hz}"

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs; see :meth:`services.tts.engine.Engine.stuck`."""
        return self._thread.stuck(since_s) or self._loader.stuck(since_s)

    async def close(self) -> None:
        """Stop the threads; what is running there ends by itself."""
        for thread in (self._thread, self._loader):
            thread.shutdown(wait=False, cancel_futures=True)

    def _voice(self, name: str) -> Voice | None:
        return self._voices.get(name or self.voices[0])

    async def _model(self, voice: Voice) -> _Model:
        """Return a voice's model, which may have to be loaded."""
        folder = voice.folder
        model = self._loaded.get(str(folder))
        if model is not None:
            return model
        if folder not in self._loading:
            self._loading[folder] = asyncio.create_task(self._load(voice))
        # Who stops listening does not stop the loading: the next one has it the sooner.
        return await asyncio.shield(self._loading[folder])

    async def _load(self, voice: Voice) -> _Model:
        run, folder = asyncio.get_running_loop().run_in_executor, voice.folder
        try:
            model = await run(self._loader, _load, folder, self._settings.threads)
        finally:
            del self._loading[folder]
        self._prints[folder] = model.fingerprint
        self._loaded.keep(str(folder), voice.size_bytes, model)
        return model

    def _speak(
        self, ids: list[int], chosen: Voice, voice: _Model, scale: float
    ) -> Iterator[tuple[NDArray[np.int16], int]]:
        """Yield the samples of one sentence, piece by piece, and how many are left. In the thread.

        So nobody waits for the thread to learn that nothing follows.
        """
        resampler = Resampler(chosen.rate_hz, self._sample_rate_hz)
        try:
            count, pieces = voice.synthesis.start(_feed(voice.config, ids, scale, chosen))
            check_length(count, len(ids), chosen.rate_hz, scale)
            for piece in pieces:
                count -= len(piece)
                made = resampler.push(audible(piece, self._settings.gain))
                if count <= 0:
                    made = np.concatenate((made, resampler.finish()))
                if len(made):
                    yield made, count
        except EngineError:
            raise
        except Exception as err:  # onnxruntime raises classes that it does not export
            raise EngineError("The voice failed to speak this text.") from err


def _phoneme_ids(text: str, voice: _Model) -> list[list[int]]:
    """Return the phonemes of each sentence."""
    # Two opening brackets begin raw phonemes in Piper; callers have no business with those.
    sentences = voice.words.phonemize(text.replace("[[", "[ ["))
    return [voice.words.phonemes_to_ids(phonemes) for phonemes in sentences if phonemes]


def audible(samples: NDArray[np.float32], gain: float) -> NDArray[np.int16]:
    """Return samples as they are sent.

    Args:
        samples: -1 to 1, shape (n,).
        gain: Factor on the amplitude.

    Raises:
        EngineError: They are no numbers.
    """
    if not np.isfinite(samples).all():
        raise EngineError("The voice made no usable audio for this text.")
    scaled: NDArray[np.float32] = np.clip(samples * (gain * 32767.0), -32767.0, 32767.0)
    return scaled.astype(np.int16)


def check_length(samples: int, ids: int, rate_hz: int, scale: float) -> None:
    """Refuse what cannot be speech: nothing, or far too much for its phonemes.

    Args:
        samples: How many there are.
        ids: Number of phoneme ids, of which about half are padding.
        rate_hz: Rate of the samples.
        scale: Factor on the length that was asked for.

    Raises:
        EngineError: It cannot be speech.
    """
    if not samples:
        raise EngineError("The voice made no usable audio for this text.")
    longest_s = (_SHORTEST_LIMIT_S + ids / 2 / _SLOWEST_PHONEMES_PER_S) * max(scale, 1.0)
    if samples > longest_s * rate_hz:
        raise EngineError("The voice made far too much audio for this text.")


def _feed(config: PiperConfig, ids: list[int], scale: float, voice: Voice) -> vits.Feed:
    """Return the inputs of a voice's graph."""
    warmth = voice.preset.temperature
    feed: dict[str, NDArray[np.generic]] = {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": np.array(
            [
                config.noise_scale * warmth,
                config.length_scale * scale,
                config.noise_w_scale * warmth,
            ],
            np.float32,
        ),
    }
    if config.num_speakers > 1:
        feed["sid"] = np.array([voice.speaker], np.int64)
    return feed


def _load(folder: Path, threads: int) -> _Model:
    """Load a voice. ``PiperVoice.load`` would leave spinning threads, one per core."""
    file = config_file(folder)
    try:
        config = PiperConfig.from_dict(read_config(file))
        synthesis = vits.load(file.with_suffix(""), threads, config.hop_length)
        # Piper's own class is asked for phonemes only, which takes no session.
        words = PiperVoice(session=None, config=config)
        return _Model(words, config, synthesis, fingerprint_of(file))
    except Exception as err:  # onnxruntime raises classes that it does not export
        raise EngineUnavailable(f"The voice in {folder.name!r} cannot be loaded.") from err
