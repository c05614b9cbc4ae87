"""Two language models over real HTTP: one goes wrong as its caller's words say, one answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

CASES: Final = ("direct", "refuses", "overloaded", "hangs", "garbage", "dies", "stalls", "drips")
"""What the first one does, and what the caller says to it. ``direct``: it answers; ``drips``: it
says again and again that it is alive, and nothing else."""

MID_STREAM: Final = ("dies", "stalls", "drips")
"""Those that go wrong behind :data:`BEGINNING`."""

BEGINNING: Final = "The first half"
REST: Final = " is followed by the second one."

_STREAM: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
_LISTED: Final = b'{"object": "list", "data": [{"id": "m"}]}'
_FOR_EVER_S: Final = 3600.0
_DRIP_S: Final = 0.05

Answer = Callable[[Any, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[str]:
    """Answer every request until the context ends; yield the base URL."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = head.partition("content-length:")[2].partition("\r\n")[0].strip() or "0"
            body = await reader.readexactly(int(size))
            await answer(json.loads(body) if body else None, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        server.close()


async def good(body: Any, writer: asyncio.StreamWriter) -> None:
    """Say the whole sentence, or go on with it."""
    is_begun = body is not None and body["messages"][-1]["role"] == "assistant"
    if body is None:
        _send(writer, 200, _LISTED)
    else:
        _say(writer, REST if is_begun else BEGINNING + REST, ended=True)


async def bad(body: Any, writer: asyncio.StreamWriter) -> None:
    """Do what the last message says."""
    case = "direct" if body is None else body["messages"][-1]["content"]
    match case:
        case "refuses":
            writer.transport.abort()
        case "overloaded":
            _send(writer, 429, b"{}")
        case "hangs":
            await asyncio.sleep(_FOR_EVER_S)
        case "garbage":
            writer.write(_STREAM + b"data: {nothing\n\n")
        case "dies":
            _say(writer, BEGINNING, ended=False)
            await writer.drain()
            writer.transport.abort()
        case "stalls":
            _say(writer, BEGINNING, ended=False)
            await writer.drain()
            await asyncio.sleep(_FOR_EVER_S)
        case "drips":
            _say(writer, BEGINNING, ended=False)
            await _drip(writer)
        case _:
            await good(body, writer)


async def _drip(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(_chunk("", None))
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


def _send(writer: asyncio.StreamWriter, status: int, content: bytes) -> None:
    head = f"HTTP/1.1 {status} So\r\ncontent-type: application/json\r\nconnection: close\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(content) + content)


def _say(writer: asyncio.StreamWriter, text: str, *, ended: bool) -> None:
    writer.write(_STREAM + _chunk(text, None) + (_chunk("", "stop") if ended else b""))


def _chunk(text: str, reason: str | None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
