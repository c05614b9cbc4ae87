"""What realtime sockets cost an edge while nobody says anything on them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import openai

from benchmarks import measure
from benchmarks.openai_edge import client
from benchmarks.openai_figures import Row
from benchmarks.openai_fleet import start_fleet
from benchmarks.systems import SYNTHETIC, starter
from voicebus.errors import BusTimeout
from voicebus.settings import PREFIX

_SETTLE_S: Final = 5.0
_OPEN_S: Final = 60.0
_AT_ONCE: Final = 20


async def measure_idle(folder: Path, environ: Mapping[str, str], sockets: int) -> list[Row]:
    """Open sockets with the official client; return the edge's memory without them and with.

    Args:
        folder: For data and logs.
        environ: Settings of all parts.
        sockets: How many.
    """
    places = {
        f"{PREFIX}EDGE_MAX_SESSIONS": str(2 * sockets),
        f"{PREFIX}TURN_SLOTS": str(2 * sockets),
        f"{PREFIX}STT_SLOTS": str(2 * sockets),
    }
    workers = {"stt": 1, "turn": 1, "llm": 1, "tts": 1}
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(starter(folder))
        fleet = await start_fleet(started, {**environ, **SYNTHETIC, **places}, workers)
        sdk = await stack.enter_async_context(client(f"{fleet.url}/v1"))
        await asyncio.sleep(_SETTLE_S)
        rows = [_row(fleet.edge_pid, 0)]
        listening = await stack.enter_async_context(AsyncExitStack())
        for first in range(0, sockets, _AT_ONCE):
            several = range(first, min(first + _AT_ONCE, sockets))
            await asyncio.gather(*(_open(sdk, listening) for _ in several))
        await asyncio.sleep(_SETTLE_S)
        rows.append(_row(fleet.edge_pid, sockets))
        return rows


def _row(pid: int, sockets: int) -> Row:
    return Row(kind="idle", sockets=sockets, memory_mb=measure.memory_mb((pid,)))


async def _open(sdk: openai.AsyncOpenAI, opened: AsyncExitStack) -> None:
    """Open a socket and wait until its session is there."""
    manager = sdk.realtime.connect(model="gpt-realtime")
    connection = await opened.enter_async_context(manager)
    try:
        async with asyncio.timeout(_OPEN_S):
            while (event := await connection.recv()).type != "session.created":
                if event.type == "error":
                    raise BusTimeout(f"a session was refused: {event.error.message}")
    except TimeoutError as err:
        raise BusTimeout("a session was not opened in time") from err
