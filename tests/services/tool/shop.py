"""An MCP server with functions that behave, and others that do not: ``python -m … [PORT]``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

shop = MCPServer("shop")


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
def slow(seconds: float) -> str:
    """Take some time."""
    note("slow")
    time.sleep(seconds)
    note("slow done")
    return "At last"


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
