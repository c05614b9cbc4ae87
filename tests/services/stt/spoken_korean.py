"""Korean words, and others, spoken by eSpeak NG: a voice of rules, the same on every machine."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from voicebus.audio.resample import Resampler

WAYS = ("왼쪽", "오른쪽")
WORDS = (*WAYS, "전화", "취소")
"""Words that the small model tells apart in this voice."""

_SYNCHRONOUS, _UTF8 = 1, 1
_TAKE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    """Return the library and its rate in Hz; it cannot be begun twice."""
    import espeakng_loader  # noqa: PLC0415 - in the environment of the engines only

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    folder = espeakng_loader.get_data_path().encode()
    return library, library.espeak_Initialize(_SYNCHRONOUS, 0, folder, 0)


def korean(text: str) -> NDArray[np.float32]:
    """Return a Korean text as it is spoken; see :func:`spoken`."""
    return spoken(text, "ko")


@cache
def spoken(text: str, language: str) -> NDArray[np.float32]:
    """Return a text as it is spoken, with some silence around it: mono at 16 kHz, -1 to 1.

    Source: https://github.com/espeak-ng/espeak-ng/blob/master/src/include/espeak-ng/speak_lib.h
    """
    library, rate_hz = _library()
    pieces: list[NDArray[np.int16]] = []

    def take(samples: object, count: int, _: object) -> int:
        if count and samples:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    taking = _TAKE(take)
    library.espeak_SetSynthCallback(taking)
    assert library.espeak_SetVoiceByName(language.encode()) == 0
    written = text.encode()
    library.espeak_Synth(written, len(written) + 1, 0, 0, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    resampler = Resampler(rate_hz, 16_000)
    said = np.concatenate([resampler.push(np.concatenate(pieces)), resampler.finish()])
    quiet = np.zeros(4_800, np.int16)
    return np.concatenate([quiet, said, quiet]).astype(np.float32) / np.float32(32768)
