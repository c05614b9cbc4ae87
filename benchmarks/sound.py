"""What is done to recorded speech to make dialogues of it. Pure.

Samples are int16, mono, at the caller's 16 kHz. Speech is found by energy: 10 ms that are at most
30 dB quieter than the loud parts of the same recording.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from voicebus.caller import RATE_HZ

Samples = NDArray[np.int16]

SPEECH_BELOW_LOUD_DB: Final = 30.0
"""The prompts were recorded in a studio: what is quieter than that is the room, not a word."""

WINDOW: Final = RATE_HZ // 100
"""Energy is measured over 10 ms."""

_SILENT_DBFS: Final = -100.0
_PITCH_HZ: Final = (80, 350)
_HUM_WINDOW_MS: Final = 40
_HUM_SEARCH_MS: Final = 250
_FADE: Final = RATE_HZ // 200
_LIMIT: Final = 32767


class Gap(Struct, frozen=True):
    """A quiet stretch: samples ``begin`` up to ``end``."""

    begin: int
    end: int

    @property
    def ms(self) -> float:
        """Its length."""
        return (self.end - self.begin) * 1000 / RATE_HZ


def levels(samples: Samples) -> NDArray[np.float64]:
    """Return the level of each 10 ms in dBFS; what is left over at the end is not looked at."""
    whole = samples[: len(samples) // WINDOW * WINDOW].astype(np.float64).reshape(-1, WINDOW)
    power = np.mean(np.square(whole), axis=1) / 32768**2
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (_SILENT_DBFS / 10))))


def is_speech(samples: Samples) -> NDArray[np.bool_]:
    """Return for each 10 ms whether it belongs to speech."""
    measured = levels(samples)
    if not measured.size:
        return np.zeros(0, np.bool_)
    return np.asarray(measured > np.percentile(measured, 95) - SPEECH_BELOW_LOUD_DB)


def spoken(samples: Samples) -> Samples:
    """Return a recording from its first to its last speech sample."""
    heard = np.flatnonzero(is_speech(samples))
    if not heard.size:
        return samples[:0]
    return samples[heard[0] * WINDOW : (heard[-1] + 1) * WINDOW]


def gaps(samples: Samples, min_ms: float) -> tuple[Gap, ...]:
    """Return the quiet stretches inside a recording that begins and ends with speech."""
    marks = np.concatenate([[True], is_speech(samples), [True]]).astype(np.int8)
    edges = np.diff(marks)
    begins, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
    found = (Gap(int(a) * WINDOW, int(b) * WINDOW) for a, b in zip(begins, ends, strict=True))
    return tuple(gap for gap in found if gap.ms >= min_ms)


def lengthened(samples: Samples, gap: Gap, ms: int, chance: np.random.Generator) -> Samples:
    """Return the recording with a gap made ``ms`` long; the room's noise of the gap goes on in it.

    Args:
        samples: The recording.
        gap: Where, and how long it is now; a longer one stays as it is.
        ms: How long it is to be.
        chance: Makes the noise.
    """
    wanted = ms * RATE_HZ // 1000 - (gap.end - gap.begin)
    if wanted <= 0:
        return samples
    middle = (gap.begin + gap.end) // 2
    room = samples[gap.begin : gap.end].astype(np.float64)
    noise = np.round(chance.normal(0, room.std(), wanted)).astype(np.int16)
    return np.concatenate([samples[:middle], noise, samples[middle:]])


def hum(samples: Samples, end: int, ms: int) -> Samples:
    """Return the vowel before ``end`` held for ``ms``, growing quieter: a made hesitation.

    The loudest 40 ms within the 250 ms before are taken, cut to whole periods of the voice, and
    repeated with 5 ms of overlap.
    """
    begin = max(0, end - _HUM_SEARCH_MS * WINDOW // 10)
    before = samples[begin:end].astype(np.float64)
    width = min(_HUM_WINDOW_MS * WINDOW // 10, len(before))
    power = np.convolve(np.square(before), np.ones(width), "valid")
    at = int(np.argmax(power))
    vowel = before[at : at + width]
    period = _period(vowel)
    piece = vowel[: max(period, (width - _FADE) // period * period) + _FADE]
    fade = np.linspace(0, 1, _FADE)
    piece[:_FADE] *= fade
    piece[-_FADE:] *= fade[::-1]
    step = len(piece) - _FADE
    held = np.zeros(ms * RATE_HZ // 1000 + len(piece))
    for start in range(0, len(held) - len(piece) + 1, step):
        held[start : start + len(piece)] += piece
    held = held[: ms * RATE_HZ // 1000] * np.linspace(1.0, 0.4, ms * RATE_HZ // 1000)
    return np.clip(held, -_LIMIT, _LIMIT).astype(np.int16)


def _period(vowel: NDArray[np.float64]) -> int:
    """Return the period of a voice in samples: the highest peak of its autocorrelation."""
    shortest, longest = RATE_HZ // _PITCH_HZ[1], min(RATE_HZ // _PITCH_HZ[0], len(vowel) - 1)
    if longest <= shortest:
        return max(1, len(vowel) // 2)
    same = np.correlate(vowel, vowel, "full")[len(vowel) - 1 :]
    return shortest + int(np.argmax(same[shortest:longest]))


def pink_noise(count: int, level_dbfs: float, chance: np.random.Generator) -> Samples:
    """Return noise whose power falls with the frequency (1/f), at an RMS level."""
    if not count:
        return np.zeros(0, np.int16)
    spectrum = np.fft.rfft(chance.normal(size=count))
    frequency = np.arange(spectrum.size, dtype=np.float64)
    frequency[0] = np.inf
    shaped = np.fft.irfft(spectrum / np.sqrt(frequency), count)
    shaped *= 32768 * 10 ** (level_dbfs / 20) / max(1e-12, float(np.sqrt(np.mean(shaped**2))))
    return np.clip(shaped, -_LIMIT, _LIMIT).astype(np.int16)


def speech_level(samples: Samples) -> float:
    """Return the RMS level of the speech in a recording, pauses left out, in dBFS."""
    heard = is_speech(samples)
    if not heard.any():
        return _SILENT_DBFS
    return float(10 * np.log10(np.mean(10 ** (levels(samples)[heard] / 10))))
