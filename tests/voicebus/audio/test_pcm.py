from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebus.audio.pcm import PcmAligner, samples_of, split, to_float32, to_int16


@given(st.lists(st.binary(max_size=9)))
def test_the_aligner_gives_whole_samples_and_loses_nothing(frames: list[bytes]) -> None:
    """However the bytes are cut, whole samples come out, and at most one byte is left."""
    aligner, sent = PcmAligner(), b"".join(frames)

    pieces = [aligner.push(frame) for frame in frames]

    assert all(len(piece) % 2 == 0 for piece in pieces)
    assert b"".join(pieces) == sent[: len(sent) // 2 * 2]
    assert aligner.finish() == bool(len(sent) % 2)
    assert not aligner.finish()


def test_whole_frames_pass_the_aligner_without_a_copy() -> None:
    """The usual frame of 20 ms is handed on as it is."""
    frame = bytes(range(64)) * 10

    assert PcmAligner().push(frame) is frame


def test_every_int16_survives_the_way_through_float32() -> None:
    """The two conversions are exact inverses."""
    samples = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)

    there = to_float32(samples)

    assert there.dtype == np.float32
    assert (there.min(), there.max()) == (-1.0, 32767 / 32768)
    assert np.array_equal(to_int16(there), samples)


def test_floats_out_of_range_are_clipped() -> None:
    """Too loud is full scale, and what is no number is silence."""
    wild = np.array([2.0, -2.0, np.inf, -np.inf, np.nan], dtype=np.float32)

    assert to_int16(wild).tolist() == [32767, -32768, 32767, -32768, 0]


@pytest.mark.parametrize("max_ms", [20, 60, 200])
def test_splitting_gives_views_of_at_most_so_many_milliseconds(max_ms: int) -> None:
    """The pieces are in order, complete, short enough, and not copies."""
    pcm = np.arange(16000, dtype="<i2").tobytes() + b"\x01\x02"

    pieces = list(split(pcm, 16000, max_ms))

    assert b"".join(pieces) == pcm
    assert max(len(piece) for piece in pieces) == max_ms * 32
    assert all(piece.obj is pcm for piece in pieces)
    assert list(split(b"", 16000, 20)) == []


def test_samples_are_a_view_of_the_bytes() -> None:
    """PCM is little-endian, whatever the machine is."""
    assert samples_of(b"\x01\x00\xff\xff\x00\x80").tolist() == [1, -1, -32768]
