"""Piper voices (VITS on onnxruntime, espeak-ng phonemes).

piper-tts is GPL-3.0: this module is its only importer, and runs in a process of its own.
The voices: https://github.com/OHF-Voice/piper1-gpl
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from piper import PiperVoice
from piper.config import PiperConfig

from services.tts.engine import MAX_SPEED, MIN_SPEED
from services.tts.engines import vits
from voicebus.engine_thread import EngineThread, Hang
from voicebus.errors import ConfigError, EngineError, EngineUnavailable, UnknownVoice

_SHORTEST_LIMIT_S = 3.0
_SLOWEST_PHONEMES_PER_S = 4.0
# Voices of a "medium" size speak 12 to 20 phonemes per second; numbers and pauses take more.


class PiperSettings(Struct, frozen=True, kw_only=True):
    """The voices, and how they are computed.

    Fields
        voices: Name of each voice and the folder with its .onnx and .onnx.json; the first one is
            the default. All have the same sample rate.
        threads: Of the inference. With 2 a clause of 12 characters takes 41 ms, with 1 62 ms.
        gain: Factor on the amplitude, the same for all clauses. Piper's own normalisation brings
            each clause's loudest sample to full scale, which makes a short clause 5 dB louder
            than a long one; left alone they differ by 3 dB and peak at -3 to -6 dBFS.
    """

    voices: Mapping[str, Path]
    threads: int = 2
    gain: float = 1.25


@dataclass(frozen=True, slots=True)
class _Voice:
    words: PiperVoice
    config: PiperConfig
    synthesis: vits.Synthesis


class PiperEngine:
    """An :class:`services.tts.engine.Engine` with Piper's voices.

    Voices and inference belong to one thread. Calls wait for each other, piece by piece.

    Raises:
        ConfigError: No voice is named.
    """

    name = "piper"
    synthetic = False

    def __init__(self, settings: PiperSettings) -> None:
        if not settings.voices:
            raise ConfigError("At least one voice is needed.")
        self._settings = settings
        self._thread = EngineThread("piper")
        self._loaded: dict[str, _Voice] = {}
        self._sample_rate_hz = _rate_of(next(iter(settings.voices.values())))

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the voices."""
        return self._sample_rate_hz

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices, the default one first."""
        return tuple(self._settings.voices)

    async def synthesise(
        self, text: str, voice: str, speed: float
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak ``text``; see :meth:`services.tts.engine.Engine.synthesise`."""
        name = voice or self.voices[0]
        if name not in self._settings.voices:
            raise UnknownVoice(f"There is no voice {name!r}.")
        run = asyncio.get_running_loop().run_in_executor
        scale = 1 / min(MAX_SPEED, max(MIN_SPEED, speed))
        for ids in await run(self._thread, self._phoneme_ids, text, name):
            pieces, left = self._speak(ids, name, scale), 1
            while left and (made := await run(self._thread, next, pieces, None)) is not None:
                piece, left = made
                yield piece

    async def warm(self) -> None:
        """Load all voices and speak once with each."""
        for voice in self.voices:
            # The first inference of each length allocates; a clause and a sentence cover the usual.
            for text in (
                "Hello there.",
                "This voice is warming up for all that it will say today.",
            ):
                async for _ in self.synthesise(text, voice, 1.0):
                    pass

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs; see :meth:`services.tts.engine.Engine.stuck`."""
        return self._thread.stuck(since_s)

    async def close(self) -> None:
        """Stop the thread; an inference that is running ends there by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _voice(self, name: str) -> _Voice:
        voice = self._loaded.get(name)
        if voice is None:
            voice = _load(self._settings.voices[name], self._settings.threads)
            if voice.config.sample_rate != self._sample_rate_hz:
                raise EngineUnavailable(f"Voice {name!r} has another sample rate than the default.")
            self._loaded[name] = voice
        return voice

    def _phoneme_ids(self, text: str, name: str) -> list[list[int]]:
        """Return the phonemes of each sentence. Runs in the thread."""
        voice = self._voice(name)
        # Two opening brackets begin raw phonemes in Piper; callers have no business with those.
        sentences = voice.words.phonemize(text.replace("[[", "[ ["))
        return [voice.words.phonemes_to_ids(phonemes) for phonemes in sentences if phonemes]

    def _speak(
        self, ids: list[int], name: str, scale: float
    ) -> Iterator[tuple[NDArray[np.int16], int]]:
        """Yield the samples of one sentence, piece by piece, and how many are left. In the thread.

        So nobody waits for the thread to learn that nothing follows.
        """
        voice = self._voice(name)
        try:
            count, pieces = voice.synthesis.start(_feed(voice.config, ids, scale))
            check_length(count, len(ids), self._sample_rate_hz, scale)
            for piece in pieces:
                count -= len(piece)
                yield audible(piece, self._settings.gain), count
        except EngineError:
            raise
        except Exception as err:  # onnxruntime raises classes that it does not export
            raise EngineError("The voice failed to speak this text.") from err


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


def _feed(config: PiperConfig, ids: list[int], scale: float) -> vits.Feed:
    """Return the inputs of a voice's graph."""
    feed: dict[str, NDArray[np.generic]] = {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": np.array(
            [config.noise_scale, config.length_scale * scale, config.noise_w_scale], np.float32
        ),
    }
    if config.num_speakers > 1:
        feed["sid"] = np.array([config.default_speaker_id or 0], np.int64)
    return feed


def _load(folder: Path, threads: int) -> _Voice:
    """Load a voice. ``PiperVoice.load`` would leave spinning threads, one per core."""
    file = _config_file(folder)
    try:
        config = PiperConfig.from_dict(_read(file))
        synthesis = vits.load(file.with_suffix(""), threads, config.hop_length)
        # Piper's own class is asked for phonemes only, which takes no session.
        return _Voice(PiperVoice(session=None, config=config), config, synthesis)
    except Exception as err:  # onnxruntime raises classes that it does not export
        raise EngineUnavailable(f"The voice in {folder.name!r} cannot be loaded.") from err


def _rate_of(folder: Path) -> int:
    try:
        return int(_read(_config_file(folder))["audio"]["sample_rate"])
    except (KeyError, TypeError, ValueError) as err:
        raise EngineUnavailable(f"The voice in {folder.name!r} cannot be loaded.") from err


def _config_file(folder: Path) -> Path:
    found = sorted(folder.glob("*.onnx.json"))
    if len(found) != 1:
        raise EngineUnavailable(f"The folder {folder.name!r} does not hold exactly one voice.")
    return found[0]


def _read(config: Path) -> dict:  # type: ignore[type-arg]
    return json.loads(config.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
