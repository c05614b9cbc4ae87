"""The two voice codecs of telephone networks, as tables. Pure.

Source: ITU-T G.711 (11/88); the tables follow from its formulas.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 8_000
"""Samples in a second, of one byte each."""


class Law(Enum):
    """How amplitudes become eight bits."""

    MU = "mu"
    A = "a"


def decode(data: bytes, law: Law) -> NDArray[np.int16]:
    """Return the samples of encoded bytes."""
    return _DECODING[law][np.frombuffer(data, dtype=np.uint8)]


def encode(samples: NDArray[np.int16], law: Law) -> bytes:
    """Return one byte for each sample, whose value is the nearest that there is."""
    return _ENCODING[law][samples.view(np.uint16)].tobytes()


def _decoding_table(law: Law) -> NDArray[np.int16]:
    codes = np.arange(256, dtype=np.int32)
    if law is Law.MU:
        flipped = ~codes & 0xFF
        exponent, mantissa = (flipped >> 4) & 7, flipped & 15
        magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
        is_negative = (flipped & 0x80) != 0
    else:
        flipped = codes ^ 0x55
        exponent, mantissa = (flipped >> 4) & 7, flipped & 15
        base = (mantissa << 4) + 8
        magnitude = np.where(exponent == 0, base, (base + 0x100) << np.maximum(exponent - 1, 0))
        is_negative = (flipped & 0x80) == 0
    return np.where(is_negative, -magnitude, magnitude).astype(np.int16)


def _encoding_table(law: Law) -> NDArray[np.uint8]:
    """The code of every sample, by its bits as an unsigned number: the nearest value's."""
    values = _decoding_table(law).astype(np.int32)
    order = np.argsort(values, kind="stable")
    known = values[order]
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    above = np.clip(np.searchsorted(known, samples), 1, len(known) - 1)
    is_below = samples - known[above - 1] < known[above] - samples
    return order[np.where(is_below, above - 1, above)].astype(np.uint8)


_DECODING: Final = {law: _decoding_table(law) for law in Law}
_ENCODING: Final = {law: _encoding_table(law) for law in Law}
