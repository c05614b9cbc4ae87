"""What a line sounds like while nobody speaks: a hiss that is hardly heard. Pure.

A line that is perfectly silent sounds dead, and people ask whether anybody is there.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from voicebus.audio.codec import Sound

SILENT_DBFS: Final = -90.0
"""Below this there is nothing in 16 bits."""

_LENGTH_MS: Final = 2_000


def comfort_noise(sound: Sound, dbfs: float) -> bytes:
    """Return two seconds of it, the same ones each time.

    Args:
        sound: In which form.
        dbfs: Its loudness: 0 is the loudest that there is.
    """
    size = sound.rate_hz * _LENGTH_MS // 1000
    if dbfs <= SILENT_DBFS:
        return sound.silence(size * sound.sample_bytes)
    noise = np.random.default_rng(1).standard_normal(size)
    scaled = noise * 32_768 * 10 ** (min(dbfs, 0.0) / 20)
    return sound.coded(np.clip(np.rint(scaled), -32_768, 32_767).astype(np.int16))
