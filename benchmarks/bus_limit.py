"""How much audio one bus stores in a second, when it is given more than it can take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from benchmarks.systems import Started, start_bus
from schemas.audio import CALLER_RATE_HZ, AudioChunk
from subjects.catalog import Place, subject_of
from voicebus.bus.layout import make_layout
from voicebus.errors import BusError
from voicebus.settings import PREFIX, BusSettings

SESSIONS: Final = 1_000
_FRAME_BYTES: Final = CALLER_RATE_HZ // 50 * 2
_ROUNDS: Final = 300
_AHEAD: Final = 5
"""Rounds of all callers that are on their way: the server drops what it cannot keep up with."""

_LIMIT_S: Final = 120.0
_INBOX: Final = b"_INBOX.bench"


async def stored_per_s(started: Started, environ: Mapping[str, str]) -> float:
    """Return how many chunks of audio of 20 ms a bus stores in a second.

    One connection sends what a thousand callers would say in six seconds, as fast as the server
    stores it: the server's own work is what is measured, not a client's.

    Args:
        started: Starts the bus.
        environ: Its settings.
    """
    given = await start_bus(started, environ)
    url = given[f"{PREFIX}NATS_URL"]
    await make_layout(BusSettings(nats_url=url))
    server = urlsplit(url)
    reader, writer = await asyncio.open_connection(server.hostname, server.port)
    writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB %s 1\r\n' % _INBOX)
    messages = _messages()
    begun_s = time.perf_counter()
    async with asyncio.timeout(_LIMIT_S):
        for number in range(_ROUNDS + _AHEAD):
            if number >= _AHEAD:
                await _acked(reader)
            if number < _ROUNDS:
                writer.write(messages)
                await writer.drain()
    took_s = time.perf_counter() - begun_s
    writer.close()
    await writer.wait_closed()
    return SESSIONS * _ROUNDS / took_s


def _messages() -> bytes:
    """Return a chunk of each caller, as clients of NATS write it; the last one is acknowledged."""
    payload = bytes(_FRAME_BYTES)
    written = []
    for number in range(SESSIONS):
        place = Place(cell="local", edge="bench", session=f"s{number}")
        subject = subject_of(AudioChunk, place).encode()
        reply = _INBOX + b" " if number == SESSIONS - 1 else b""
        written.append(b"PUB %s %s%d\r\n%s\r\n" % (subject, reply, len(payload), payload))
    return b"".join(written)


async def _acked(reader: asyncio.StreamReader) -> None:
    """Wait for the next acknowledgement.

    Raises:
        BusError: The bus did not store it.
    """
    while not (line := await reader.readline()).startswith(b"MSG"):
        if not line:
            raise BusError("the bus closed the connection")
    told = await reader.readexactly(int(line.split()[-1]) + 2)
    if b'"error"' in told:
        raise BusError(f"the bus does not store: {told.decode(errors='replace')}")
