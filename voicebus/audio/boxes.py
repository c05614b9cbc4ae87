"""The index of an MP4 file (ISO/IEC 14496-12), checked before FFmpeg sees it.

Its tables may say "a hundred million samples" in twelve bytes, and FFmpeg makes room for all of
them: 28 kB of M4A took 700 MB. Therefore the boxes that may hold tables are read whole, and looked
through for such tables; only the audio itself passes as it comes.
"""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np

from voicebus.audio.source import Peekable, Source

MAX_BOX_BYTES = 8 * 1024 * 1024
_MAX_SAMPLES = 1 << 20
"""Six hours of AAC at 48 kHz."""

_MAX_EDITS = 8
_AUDIO = frozenset({b"mdat", b"free", b"skip", b"wide"})
_COUNT_AT = {b"stsz": 12, b"stz2": 12, b"trun": 8, b"elst": 8}
_RUNS = (b"stts", b"ctts")


class CheckedBoxes:
    """A source of MP4 bytes that ends where an index becomes unreasonable."""

    def __init__(self, source: Source) -> None:
        self._source = Peekable(source)
        self._counts: Counter[bytes] = Counter()
        self._free_bytes = 0
        self._to_the_end = False
        self._refused = False

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, ``b""`` at the end or when refused."""
        if self._to_the_end:
            return self._source.read(size)
        if not self._free_bytes and not self._refused:
            self._next_box()
            if self._to_the_end:
                return self._source.read(size)
        if not self._free_bytes or self._refused:
            return b""
        piece = self._source.read(min(size, self._free_bytes))
        self._free_bytes = self._free_bytes - len(piece) if piece else 0
        return piece

    def _next_box(self) -> None:
        header = self._source.peek(16)
        if len(header) < 8:
            self._free_bytes = len(header)
            return
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        if kind in _AUDIO:
            self._to_the_end = size == 0
            self._free_bytes = max(size, 8)
            return
        if not 8 <= size <= MAX_BOX_BYTES:
            self._refused = True
            return
        box = self._source.peek(size)
        self._free_bytes = len(box)
        self._refused = not self._is_reasonable(box)

    def _is_reasonable(self, box: bytes) -> bool:
        # Wherever FFmpeg finds a table, there is its name: this finds no fewer.
        for name, at in _COUNT_AT.items():
            for place in _places(box, name):
                self._counts[name] += int.from_bytes(box[place + at : place + at + 4], "big")
        for name in _RUNS:
            for place in _places(box, name):
                self._counts[name] += _run_samples(box, place + 8)
        edits = self._counts[b"elst"]
        return (
            edits <= _MAX_EDITS
            and max(self._counts.values(), default=0) <= _MAX_SAMPLES
            and b"cmov" not in box  # a compressed index
        )


def _places(box: bytes, name: bytes) -> list[int]:
    found, place = [], box.find(name)
    while place >= 0:
        found.append(place)
        place = box.find(name, place + 4)
    return found


def _run_samples(box: bytes, at: int) -> int:
    """Add up a table of (samples, duration), which begins with its number of rows."""
    if at + 4 > len(box):
        return 0
    (rows,) = struct.unpack_from(">I", box, at)
    rows = min(rows, (len(box) - at - 4) // 8)
    return int(np.frombuffer(box, ">u4", rows * 2, at + 4)[::2].sum(dtype=np.uint64))
