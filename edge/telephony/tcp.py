"""Exchanges that come by TCP: AudioSocket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from edge.telephony.answering import serve
from edge.telephony.audiosocket import HANG_UP, AudioSocket, frame
from edge.telephony.events import Frame
from edge.telephony.gate import Gate
from edge.telephony.line import MOST_UNSENT, LineLost, too_slow
from edge.telephony.office import Office
from edge.telephony.refusals import note_refusal
from voicebus.errors import AccessDenied, VoicebusError

PROTOCOL: Final = "audiosocket"
_READ_BYTES: Final = 16 * 1024
_MOST_UNSENT_BYTES: Final = MOST_UNSENT * 320
_CLOSE_S: Final = 2.0


class TcpLine:
    """A TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> Frame | None:
        """Wait for bytes."""
        try:
            return await self._reader.read(_READ_BYTES) or None
        except OSError:
            raise LineLost from None

    def send(self, frame: Frame) -> None:
        """Send bytes."""
        assert isinstance(frame, bytes)
        transport = self._writer.transport
        if transport.get_write_buffer_size() > max(_MOST_UNSENT_BYTES, 50 * len(frame)):
            raise too_slow()
        if not transport.is_closing():
            self._writer.write(frame)

    async def close(self, reason: str) -> None:
        """Close, if need be without having sent all."""
        del reason
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self._writer.transport.abort()


@asynccontextmanager
async def listening(listener: socket.socket, office: Office, gate: Gate) -> AsyncIterator[None]:
    """Take calls on a bound socket while the context lasts."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = TcpLine(reader, writer)
        host = str((writer.get_extra_info("peername") or ("",))[0])
        try:
            if not gate.admits_address(host):
                raise AccessDenied("this address may not bring calls", "origin_forbidden")
            with gate.enter():
                await office.sessions.expect_place()
                await serve(PROTOCOL, AudioSocket(), line, office)
        except VoicebusError as err:
            reason = note_refusal(err, PROTOCOL)
            with suppress(VoicebusError):
                line.send(frame(HANG_UP))
            await line.close(reason)

    server = await asyncio.start_server(answer, sock=listener, limit=_READ_BYTES)
    async with server:
        yield
