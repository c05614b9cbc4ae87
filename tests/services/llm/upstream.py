"""A language model server of the test's own, over real sockets, that can go wrong in any way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Script = Callable[["Upstream", asyncio.StreamWriter], Awaitable[None]]

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
_BARE = {"error": {"code": "invalid_function_parameters", "param": "tools[0].function.parameters"}}


@dataclass(slots=True)
class Upstream:
    """What the server saw.

    Fields
        url: Base URL for the client.
        bodies: The requests' bodies, in their order.
        left: Set when a client closes its connection before the script ends.
    """

    url: str
    bodies: list[Any] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Upstream]:
    """Answer every request with ``script`` until the block ends.

    Functions whose parameters are an object without properties are refused, as OpenAI does.
    """
    upstream = Upstream(url="")

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = head.partition("content-length:")[2].partition("\r\n")[0].strip() or "0"
            upstream.bodies.append(json.loads(await reader.readexactly(int(size)) or b"null"))
            is_wrong = _has_bare_functions(upstream.bodies[-1])
            told = failing(400, _BARE) if is_wrong else script
            answering = asyncio.ensure_future(told(upstream, writer))
            leaving = asyncio.ensure_future(reader.read())
            done, waiting = await asyncio.wait(
                (answering, leaving), return_when=asyncio.FIRST_COMPLETED
            )
            if answering not in done:
                upstream.left.set()
            for task in waiting:
                task.cancel()
            await asyncio.wait((answering, leaving))
        except (OSError, asyncio.IncompleteReadError):
            upstream.left.set()
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield upstream
    finally:
        server.close()


def _has_bare_functions(body: Any) -> bool:
    tools = body.get("tools", []) if isinstance(body, dict) else []
    schemas = [tool["function"].get("parameters") for tool in tools]
    return any(schema is not None and "properties" not in schema for schema in schemas)


def event(data: object) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def text_event(text: str, reason: str | None = None) -> bytes:
    """One chunk of a reply."""
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]})


def replying(*events: bytes) -> Script:
    """Send these events and close the connection."""

    async def script(_: Upstream, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + b"".join(events))
        await writer.drain()

    return script


class Hanging:
    """A script; see :func:`hanging`.

    Args:
        events: What is sent.
    """

    def __init__(self, events: tuple[bytes, ...]) -> None:
        self.events = events

    async def __call__(self, _: Upstream, writer: asyncio.StreamWriter) -> None:
        """Send it, and fall silent."""
        writer.write(STREAM + b"".join(self.events))
        await writer.drain()
        await asyncio.sleep(60)


def hanging(*events: bytes) -> Hanging:
    """Send these events and fall silent with the connection open."""
    return Hanging(events)


class Dripping:
    """A script: say something, then again and again an event in which nothing is said.

    Args:
        text: What is said.
        delta: What comes after it, every 20 ms.
    """

    def __init__(self, text: str, delta: dict[str, Any]) -> None:
        self.events = (text_event(text),)
        self._drip = event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    async def __call__(self, _: Upstream, writer: asyncio.StreamWriter) -> None:
        """Go on until the client leaves, or for longer than any test waits."""
        writer.write(STREAM + self.events[0])
        for _number in range(1000):
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.write(self._drip)


def failing(status: int, body: object, *headers: str) -> Script:
    """Answer with an error."""

    async def script(_: Upstream, writer: asyncio.StreamWriter) -> None:
        content = json.dumps(body).encode()
        lines = [
            f"HTTP/1.1 {status} No",
            "content-type: application/json",
            f"content-length: {len(content)}",
            "connection: close",
            *headers,
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        await writer.drain()

    return script


def resetting(*events: bytes) -> Script:
    """Send these events and reset the connection."""

    async def script(_: Upstream, writer: asyncio.StreamWriter) -> None:
        # A body that is announced and never comes in full.
        head = STREAM.replace(b"connection: close", b"content-length: 1000000")
        writer.write((head + b"".join(events)) if events else b"")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    return script
