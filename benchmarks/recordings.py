"""What the callers of a benchmark say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicebus.audio.loudness import dbfs, last_speech_sample
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav
from voicebus.caller import RATE_HZ
from voicebus.errors import ConfigError
from voicebus.parts import project_root

SPEECH_BELOW_LOUD_DB: Final = 20.0
"""Speech is what is at most this much quieter than the recording's loud parts. An absolute level
would take the room's noise behind the last word for speech, and every answer for a faster one."""

LONGEST_S: Final = 4.0
"""Longer recordings are left out: they take time and say nothing more about the answer."""

_WINDOW_MS: Final = 10


class Recording:
    """A sentence that ends with its last speech sample.

    Attributes:
        name: Its file, without the suffix.
        samples: Mono at 16 kHz.
    """

    __slots__ = ("name", "samples")

    def __init__(self, name: str, samples: NDArray[np.int16]) -> None:
        self.name = name
        self.samples = samples

    def first(self, seconds: float) -> Recording:
        """Return its beginning."""
        return Recording(self.name, self.samples[: int(seconds * RATE_HZ)])


def recordings(folder: Path | None = None) -> tuple[Recording, ...]:
    """Return the WAV files of a folder that are not too long, the project's own by default.

    Raises:
        ConfigError: There is none.
    """
    chosen = folder or project_root() / "examples" / "samples"
    found = tuple(
        recording
        for path in sorted(chosen.rglob("*.wav"))
        if len((recording := _read(path)).samples) <= LONGEST_S * RATE_HZ
    )
    if not found:
        raise ConfigError(f"{chosen} holds no WAV file of at most {LONGEST_S:g} s")
    return found


def trimmed(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return samples (n,) at 16 kHz up to the end of the last word."""
    window = RATE_HZ * _WINDOW_MS // 1000
    levels = [dbfs(samples[at : at + window]) for at in range(0, len(samples), window)]
    heard = [level for level in levels if np.isfinite(level)]
    if not heard:
        return samples
    threshold_dbfs = float(np.percentile(heard, 95)) - SPEECH_BELOW_LOUD_DB
    last = last_speech_sample(samples, RATE_HZ, threshold_dbfs)
    return samples if last is None else samples[: last + 1]


def _read(path: Path) -> Recording:
    rate_hz, samples = read_wav(path)
    if rate_hz != RATE_HZ:
        resampler = Resampler(rate_hz, RATE_HZ)
        samples = np.concatenate([resampler.push(samples), resampler.finish()])
    return Recording(path.stem, trimmed(samples))
