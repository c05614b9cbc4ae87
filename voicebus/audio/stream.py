"""Decoding of a file while it arrives, for an event loop: bytes in, PCM out, neither unbounded.

One thread per active decoder: a caller who feeds slowly holds a thread for as long, so a shared
pool would let a few slow callers stop all others. The thread ends with the file, with an error,
or with :meth:`StreamDecoder.aclose`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from types import TracebackType
from typing import BinaryIO, Self

import structlog

from voicebus.audio.containers import Container
from voicebus.audio.decode import LIVE_PIECE_MS, AudioInfo, Decoding
from voicebus.audio.source import Pipe, Stored

_PIPE_BYTES = 256 * 1024
_PIECES = 32
_STORED_PIECE_MS = range(4000, 4001)
_STORED_PIECES = 2
"""Nobody waits for the first word of a file that is here already. Each piece wakes the loop, which
then waits for the thread to let go of the interpreter, and holds it up in turn: with many small
ones that takes longer than decoding.
"""

_CLOSE_S = 5.0

_log = structlog.get_logger()


class StreamDecoder:
    """One file on its way from a socket to PCM: s16le, mono, 16 kHz.

    One task feeds, another one iterates, at the same time: who feeds waits while the iterating
    task does not take the audio (about 6 s of it are held), and the other way round. Made inside
    a running event loop. Use it as an async context manager, or call :meth:`aclose`.
    """

    def __init__(
        self, container: Container, *, max_seconds: float, stored: BinaryIO | None = None
    ) -> None:
        """Args: ``container`` comes from :func:`voicebus.audio.sniff.sniff`, and is not PCM.

        ``stored`` is a file that is here already: it is read where it is, by the thread, and
        nothing is fed. It stays open until the decoder is closed.
        """
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._pipe = Pipe(_PIPE_BYTES, on_room=lambda: self._call(self._room.set))
        self._stored = None if stored is None else Stored(stored)
        self._decoding = Decoding(self._stored or self._pipe, container, max_seconds)
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._lengths_ms = LIVE_PIECE_MS if stored is None else _STORED_PIECE_MS
        self._free = threading.Semaphore(_PIECES if stored is None else _STORED_PIECES)
        self._closed = threading.Event()
        self._ended = asyncio.Event()
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def info(self) -> AudioInfo | None:
        """What the file holds: known before the first piece, None until then."""
        return self._decoding.info

    @property
    def truncated(self) -> bool:
        """After the last piece: some of the audio was missing or did not decode.

        Ogg, MP3 and AAC do not say how long they are: of them only damage is noticed.
        """
        return self._decoding.truncated

    async def feed(self, data: bytes) -> None:
        """Take the next bytes of the file, of any number. Waits while the decoder has enough.

        Bytes after the end of decoding (an error, the limit of seconds, :meth:`aclose`) are
        dropped: the iterating task hears about the reason.
        """
        self._start()
        while True:
            self._room.clear()
            data = self._pipe.offer(data)
            if not data:
                return
            await self._room.wait()

    async def finish(self) -> None:
        """Say that the file is complete. What was fed is still decoded."""
        self._start()
        self._pipe.finish()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield PCM until the file, or :meth:`aclose`, ends it.

        Pieces have 20 to 200 ms, those of a file that is here already 4 s; the last may have less.

        Raises:
            UnsupportedAudio: The codec, the sample rate or the channels are not accepted.
            CorruptAudio: Nothing could be decoded, or decoding took too much CPU time.
            AudioTooLong: There is more audio than ``max_seconds``. What was yielded is valid.
        """
        while (piece := await self._pieces.get()) is not None:
            self._free.release()
            if self._closed.is_set():
                break
            yield piece
        self._pieces.put_nowait(None)
        if self._error is not None:
            raise self._error

    async def aclose(self) -> None:
        """Stop, whatever state it is in, and end the thread. May be called more than once."""
        self._closed.set()
        self._pipe.close()
        if self._stored is not None:
            self._stored.close()
        self._free.release()
        if self._thread is None:
            self._pieces.put_nowait(None)
            return
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._ended.wait()
        except TimeoutError:
            _log.exception("audio.decoder_stuck", info=self.info)
        else:
            self._thread.join()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _start(self) -> None:
        if self._thread is None and not self._closed.is_set():
            self._thread = threading.Thread(target=self._decode, name="audio-decoder", daemon=True)
            self._thread.start()

    def _decode(self) -> None:
        try:
            with closing(self._decoding.pieces(self._lengths_ms)) as pieces:
                for piece in pieces:
                    self._free.acquire()
                    if self._closed.is_set():
                        break
                    self._call(self._pieces.put_nowait, piece)
        except Exception as err:  # the end of a thread: the iterating task raises it
            if not self._closed.is_set():
                self._error = err
        self._pipe.close()
        self._call(self._end)

    def _end(self) -> None:
        self._pieces.put_nowait(None)
        self._room.set()
        self._ended.set()

    def _call(self, function: Callable[..., object], *args: object) -> None:
        """Run a function on the loop's thread. A loop that is closed has nobody who waits."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)
