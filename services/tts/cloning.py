"""From samples of somebody's speech to a voice. Blocks; used by ``voicebus voices add``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.voice import VoiceKept
from services.tts.speech import speech_s
from voicebus.audio.wav import read_wav
from voicebus.errors import AudioTooLong, CorruptAudio, EngineUnavailable, UnsupportedAudio

LONGEST_S: Final = 600.0
"""Of all samples together: the model hears 30 s of each, and a disk may hold a day."""

LEAST_SPEECH_S: Final = 3.0
"""Less says too little of a voice."""

_LARGEST_BYTES: Final = int(LONGEST_S * 48_000 * 2 * 2) + 65_536
"""Of a file: so long, in stereo at 48 kHz."""

_LEAST_PART: Final = 0.2
"""Of a sample: what is speech in less of it is something else."""


class Heard(Struct, frozen=True):
    """Samples that are speech.

    Fields
        samples: Rate in Hz and samples, int16 (n,), of each.
        seconds: How much speech is in them.
    """

    samples: tuple[tuple[int, NDArray[np.int16]], ...]
    seconds: float


def read_samples(paths: Sequence[Path]) -> Heard:
    """Read WAV files and look whether somebody speaks in them.

    Raises:
        UnsupportedAudio: A file cannot be read, or nobody speaks in it.
        AudioTooLong: They are longer than ten minutes.
        CorruptAudio: A file is damaged.
    """
    found, total_s, spoken_s = [], 0.0, 0.0
    for path in paths:
        rate_hz, samples = _read(path)
        seconds = len(samples) / rate_hz
        total_s += seconds
        if total_s > LONGEST_S:
            raise AudioTooLong(f"{path}: more than {LONGEST_S / 60:.0f} minutes of samples.")
        speech = speech_s(samples, rate_hz)
        if speech < _LEAST_PART * seconds:
            raise UnsupportedAudio(
                f"{path}: nobody speaks in it, or hardly ({speech:.1f} of {seconds:.1f} s)."
            )
        spoken_s += speech
        found.append((rate_hz, samples))
    if spoken_s < LEAST_SPEECH_S:
        raise UnsupportedAudio(
            f"{spoken_s:.1f} s of speech are too little for a voice: {LEAST_SPEECH_S:.0f} s at "
            "least, 6 to 30 are better."
        )
    return Heard(tuple(found), spoken_s)


def made(folder: Path, heard: Heard) -> VoiceKept:
    """Return the voice of samples, without what people have to say about it.

    Raises:
        EngineUnavailable: The model cannot be loaded.
        EngineError: It can make nothing of the samples.
    """
    try:
        from services.tts.engines.xtts_model import XttsModel  # noqa: PLC0415 - takes long to load
    except ModuleNotFoundError as err:
        raise EngineUnavailable(f"XTTS is not installed here: {err.name} is missing.") from err
    model = XttsModel(folder, "auto", os.cpu_count() or 1)
    speaker = model.latents(heard.samples)
    return VoiceKept(
        model=model.digest,
        latents=speaker.latents.astype("<f4").tobytes(),
        shape=speaker.latents.shape,
        speaker=speaker.embedding.astype("<f4").tobytes(),
        seconds=heard.seconds,
    )


def _read(path: Path) -> tuple[int, NDArray[np.int16]]:
    try:
        size = path.stat().st_size
    except OSError as err:
        raise UnsupportedAudio(f"{path}: {err.strerror}.") from err
    if size > _LARGEST_BYTES:
        # Not read: it may be larger than the memory.
        raise AudioTooLong(f"{path}: {size >> 20} MB are more than ten minutes of samples.")
    try:
        rate_hz, samples = read_wav(path)
    except (UnsupportedAudio, CorruptAudio) as err:
        raise type(err)(f"{path}: {err}") from err
    except OSError as err:
        raise UnsupportedAudio(f"{path}: {err.strerror}.") from err
    if not len(samples):
        raise CorruptAudio(f"{path}: there are no samples in it.")
    return rate_hz, samples
