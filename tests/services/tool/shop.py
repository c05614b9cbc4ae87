"""An MCP server with functions that behave, and others that do not: ``python -m … [PORT]``."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

shop = MCPServer("shop")
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
    """Write into the middle of the protocol."""
    sys.stdout.write("no JSON at all\n{]\n")
    sys.stdout.flush()
    return "Fine"


@shop.tool()
def death() -> str:
    """End the server."""
    os._exit(1)


@shop.tool()
def secret() -> str:
    """Nobody is to call this."""
    note("secret")
    return "42"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        shop.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        shop.run("stdio")
