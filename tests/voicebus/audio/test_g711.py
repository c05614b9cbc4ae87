"""The codecs of telephone networks."""

from __future__ import annotations

import numpy as np
import pytest

from voicebus.audio.g711 import Law, decode, encode

ALL = np.arange(-32_768, 32_768, dtype=np.int16)
KNOWN = [
    (Law.MU, 0xFF, 0),
    (Law.MU, 0x80, 32_124),
    (Law.MU, 0x00, -32_124),
    (Law.MU, 0xF0, 120),
    (Law.A, 0xD5, 8),
    (Law.A, 0x55, -8),
    (Law.A, 0xAA, 32_256),
    (Law.A, 0x2A, -32_256),
]


@pytest.mark.parametrize(("law", "code", "value"), KNOWN)
def test_codes_have_the_values_of_the_standard(law: Law, code: int, value: int) -> None:
    """The ends and the middle of the tables of G.711, scaled to 16 bits."""
    assert int(decode(bytes([code]), law)[0]) == value


@pytest.mark.parametrize("law", Law)
def test_every_code_comes_back_as_its_value(law: Law) -> None:
    """A second encoding loses nothing: mu-law has two zeros, which sound alike."""
    values = decode(bytes(range(256)), law)

    assert decode(encode(values, law), law).tolist() == values.tolist()


@pytest.mark.parametrize("law", Law)
def test_every_sample_becomes_the_nearest_value(law: Law) -> None:
    """No other code would be nearer, for any of the 65,536 samples."""
    values = np.unique(decode(bytes(range(256)), law).astype(np.int32))
    error = np.abs(decode(encode(ALL, law), law).astype(np.int32) - ALL)

    nearest = np.abs(values[np.newaxis, :] - ALL.astype(np.int32)[:, np.newaxis]).min(axis=1)

    assert np.array_equal(error, nearest)


@pytest.mark.parametrize("law", Law)
def test_nothing_becomes_nothing(law: Law) -> None:
    """No samples have no bytes."""
    assert encode(decode(b"", law), law) == b""
