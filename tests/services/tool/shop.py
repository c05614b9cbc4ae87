"""An MCP server with functions that behave, and others that do not: ``python -m … [PORT]``."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

shop = MCPServer("shop")
SPOILT = {
    "no json": ("application/json", b"{]"),
    "no answer": ("application/json", b'{"jsonrpc": "2.0", "result": 7}'),
    "somebody else's": ("application/json", b'{"jsonrpc": "2.0", "id": 99999, "result": {}}'),
    "a page": ("text/html", b"<h1>Welcome</h1>"),
    "an event": ("text/event-stream", b"event: message\ndata: {]\n\n"),
    "nothing": ("application/json", b""),
}
"""What :func:`spoilt` answers: its kind of content, and the content."""
both = asyncio.Barrier(2)


def note(line: str) -> None:
    """Write down that something was called."""
    if path := os.environ.get("SHOP_LOG"):
        with Path(path).open("a") as file:
            file.write(f"{line}\n")


@shop.tool()
def stock(tea: str) -> str:
    """Return how much is left of a tea."""
    note(f"stock {tea}")
    return f"Seven boxes of {tea} are left"


@shop.tool()
async def slow(seconds: float) -> str:
    """Take some time."""
    note("slow")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note("slow cancelled")
        raise
    note("slow done")
    return "At last"


@shop.tool()
async def frozen(seconds: float) -> str:
    """Take some time, and do nothing else meanwhile."""
    time.sleep(seconds)  # noqa: ASYNC251 - that is what it is for
    return "At last"


@shop.tool()
async def meet(who: str) -> str:
    """Wait for another call of this function."""
    async with asyncio.timeout(3):
        await both.wait()
    return f"{who} was not alone"


@shop.tool()
def grow() -> str:
    """Have one function more from now on."""
    shop.add_tool(lambda: "New", name="new")
    return "Done"


@shop.tool()
def large() -> str:
    """Return ten million characters."""
    return "x" * 10_000_000


@shop.tool()
def broken() -> str:
    """Fail."""
    raise ToolError("the till is broken")


@shop.tool()
def garbage() -> str:
    """Write into the middle of the protocol; by HTTP, have the answer be as :func:`spoilt` says."""
    sys.stdout.write("no JSON at all\n{]\n")
    sys.stdout.flush()
    return "Fine"


@shop.tool()
def which(context: Context) -> str:
    """Return the name of the call, as whoever calls has told it beside the arguments."""
    told = cast("Mapping[str, Any]", context.request_context.meta or {})
    return str(told.get("voicebus/call", "nothing"))


@shop.tool()
def death() -> str:
    """End the server."""
    os._exit(1)


@shop.tool()
def secret() -> str:
    """Nobody is to call this."""
    note("secret")
    return "42"


def spoilt(app: ASGIApp) -> ASGIApp:
    """Answer a call of ``garbage`` with what is no protocol, as its argument ``kind`` says."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await app(scope, receive, send)
        asked = await Request(scope, receive).body()
        kind = next((one for one in SPOILT if f'"kind":"{one}"'.encode() in asked), "")
        if kind:
            answer = Response(SPOILT[kind][1], media_type=SPOILT[kind][0])
            return await answer(scope, receive, send)
        heads = iter([{"type": "http.request", "body": asked, "more_body": False}])

        async def again() -> Message:
            return next(heads, None) or await receive()

        return await app(scope, again, send)

    return serve


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvicorn.run(spoilt(shop.streamable_http_app()), port=int(sys.argv[1]), log_level="error")
    else:
        shop.run("stdio")
