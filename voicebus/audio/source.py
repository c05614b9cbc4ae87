"""Where a decoder reads its bytes: files that only go forwards, and never raise.

FFmpeg calls ``read`` from C, where an exception could surface later and elsewhere. So a source
that has to stop says "end of file", and the decoder asks it afterwards why.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol


class Source(Protocol):
    """What a decoder reads."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, waiting for them; ``b""`` at the end. Never raises."""


class Memory:
    """A source of bytes that are all here."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the end."""
        piece, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return piece


class Stored:
    """A source that is a file, which can be read again from any place. For one thread.

    Args:
        file: At its beginning; it belongs to the source from here on, and is not closed by it.
    """

    limit_bytes: Final = sys.maxsize
    """It is there already, whatever its size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        self._closed = False

    def close(self) -> None:
        """The next ``read`` is at the end."""
        self._closed = True

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, ``b""`` at the end."""
        piece = self.again(self._at, size)
        self._at += len(piece)
        return piece

    def keep(self, _: bytes) -> None:
        """Do nothing: what was read is in the file."""

    def again(self, at: int, size: int) -> bytes:
        """Return up to ``size`` bytes from a place."""
        if self._closed:
            return b""
        try:
            self._file.seek(at)
            return self._file.read(size)
        except (OSError, ValueError):  # the disk, or somebody has closed it
            return b""


class Pipe:
    """A source fed by an event loop: at most ``limit_bytes`` wait between it and the thread.

    ``offer``, ``finish`` and ``close`` never wait. ``read`` waits, and belongs to one thread.
    """

    def __init__(self, limit_bytes: int, on_room: Callable[[], None]) -> None:
        """Args: ``on_room`` is called in the reading thread after an offer had been refused."""
        self._limit_bytes = limit_bytes
        self._on_room = on_room
        self._changed = threading.Condition()
        self._pieces: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._refused = False
        self._ended = False

    def offer(self, data: bytes) -> bytes:
        """Take as much of ``data`` as there is room for, and return the rest."""
        with self._changed:
            if self._ended:
                return b""
            taken = data[: self._limit_bytes - self._waiting_bytes]
            if taken:
                self._pieces.append(memoryview(taken))
                self._waiting_bytes += len(taken)
                self._changed.notify()
            self._refused = len(taken) < len(data)
        return data[len(taken) :]

    def finish(self) -> None:
        """Say that no more bytes follow. The ones that wait are still read."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def close(self) -> None:
        """Drop what waits: the next ``read`` is at the end."""
        with self._changed:
            self._pieces.clear()
            self._waiting_bytes = 0
            self._ended = True
            self._changed.notify()

    def read(self, size: int, /) -> bytes:
        """Wait for bytes and return up to ``size`` of them, ``b""`` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._ended)
            if not self._pieces:
                return b""
            piece = self._pieces[0]
            taken = bytes(piece[:size])
            if len(taken) < len(piece):
                self._pieces[0] = piece[size:]
            else:
                self._pieces.popleft()
            self._waiting_bytes -= len(taken)
            refused, self._refused = self._refused, False
        if refused:
            self._on_room()
        return taken


class Peekable:
    """A source whose next bytes can be looked at before they are read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._peeked = bytearray()

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes (fewer only at the end), and leave them to be read."""
        while len(self._peeked) < size:
            piece = self._source.read(size - len(self._peeked))
            if not piece:
                break
            self._peeked += piece
        return bytes(self._peeked[:size])

    def skip(self, size: int) -> None:
        """Drop ``size`` bytes that were peeked at."""
        del self._peeked[:size]

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, ``b""`` at the end."""
        if not self._peeked:
            return self._source.read(size)
        piece = bytes(self._peeked[:size])
        self.skip(size)
        return piece


class Limited:
    """The first bytes of a source."""

    def __init__(self, source: Source, size_bytes: int) -> None:
        self._source = source
        self._left_bytes = size_bytes

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, ``b""`` at the end."""
        if not self._left_bytes:
            return b""
        piece = self._source.read(min(size, self._left_bytes))
        self._left_bytes -= len(piece)
        return piece


class Forward:
    """A source as a file that only goes forwards. Nothing of it is kept.

    Attributes:
        starved: More than ``limit_bytes`` were read with no :meth:`progress`. A demuxer that
            collects one endless packet is stopped by this.
    """

    def __init__(self, source: Source, limit_bytes: int) -> None:
        self._source = source
        self._limit_bytes = limit_bytes
        self._idle_bytes = 0
        self.starved = False

    def progress(self) -> None:
        """Say that audio came out of the bytes read so far."""
        self._idle_bytes = 0

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes, ``b""`` at the end or when starved."""
        if self._idle_bytes >= self._limit_bytes:
            self.starved = True
            return b""
        piece = self._source.read(size)
        self._idle_bytes += len(piece)
        return piece


class Keeper(Protocol):
    """Where a :class:`Spool` finds again what it has read."""

    @property
    def limit_bytes(self) -> int:
        """How much may be kept."""

    def keep(self, piece: bytes, /) -> None:
        """Take what was read next."""

    def again(self, at: int, size: int, /) -> bytes:
        """Return up to ``size`` of the bytes from a place."""


class Kept:
    """Keeps in memory. Not on a disk: callers' voices have no business there."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes: Final = limit_bytes
        self._bytes = bytearray()

    def keep(self, piece: bytes) -> None:
        """Take what was read next."""
        self._bytes += piece

    def again(self, at: int, size: int) -> bytes:
        """Return up to ``size`` of the bytes from a place."""
        return bytes(self._bytes[at : at + size])


class Spool:
    """A source as a file that can be sought in.

    Sought beyond what has come, it reads on until the bytes are there.

    Args:
        source: Read from its beginning, and checked by whatever is in between.
        keeper: Has what was read: the file itself, where there is one.

    Attributes:
        starved: The file has more than may be kept; it ends there.
    """

    def __init__(self, source: Source, keeper: Keeper) -> None:
        self._source = source
        self._keeper = keeper
        self._size = 0
        self._at = 0
        self.starved = False

    def progress(self) -> None:
        """Do nothing: all that can be read is within the limit anyway."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to ``size`` bytes at the current place, ``b""`` at the end."""
        while self._size <= self._at and not self.starved:
            piece = self._source.read(64 * 1024)
            if not piece:
                break
            self._keeper.keep(piece)
            self._size += len(piece)
            self.starved = self._size > self._keeper.limit_bytes
        taken = self._keeper.again(self._at, min(size, max(0, self._size - self._at)))
        self._at += len(taken)
        return taken

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place; -1 from the end, which is not known, and before the start."""
        place = {0: offset, 1: self._at + offset}.get(whence, -1)
        if place >= 0:
            self._at = place
        return place

    def tell(self) -> int:
        """Return the current place."""
        return self._at
