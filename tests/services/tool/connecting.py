"""A real MCP server that is connected to, by standard input and output or by HTTP."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from schemas.tool import ToolsKept
from services.tool.engine import Result
from services.tool.engines.mcp import McpServer
from services.tool.settings import ServerSettings
from voicebus.parts import free_port, project_root

SHOP = "tests.services.tool.shop"
BY_PIPE = ServerSettings(
    command=(sys.executable, "-m", SHOP),
    env={"PYTHONPATH": str(project_root())},
    allow=("stock", "slow", "frozen", "large", "broken", "garbage", "death", "grow"),
    repeatable=("st*",),
)
LIMIT_S = 30.0


class Shop:
    """A server that is connected to."""

    def __init__(self, settings: ServerSettings) -> None:
        self.server = McpServer("shop", settings, again_s=0.1)
        self.known: asyncio.Queue[ToolsKept] = asyncio.Queue()

    async def learn(self, name: str, kept: ToolsKept) -> None:
        """Take note of its functions."""
        assert name == "shop"
        self.known.put_nowait(kept)

    async def call(self, name: str, timeout_s: float = 10.0, /, **arguments: object) -> Result:
        """Call one of them."""
        return await self.server.call(name, dict(arguments), "call-1", timeout_s)


@asynccontextmanager
async def connected(settings: ServerSettings) -> AsyncIterator[tuple[Shop, ToolsKept]]:
    """Keep a server connected; yields it with what is known of it."""
    shop = Shop(settings)
    running = asyncio.create_task(shop.server.run(shop.learn))
    try:
        async with asyncio.timeout(LIMIT_S):
            kept = await shop.known.get()
        yield shop, kept
    finally:
        running.cancel()
        await asyncio.wait((running,))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server was asked for."""
    return tmp_path_factory.mktemp("shop") / "log"


@pytest.fixture(scope="module")
def by_http(log: Path) -> Iterator[ServerSettings]:
    """The same server at an address."""
    port = free_port()
    command = [sys.executable, "-m", SHOP, str(port)]
    env = {**os.environ, "SHOP_LOG": str(log)}
    with subprocess.Popen(
        command, cwd=project_root(), env=env, stderr=subprocess.DEVNULL
    ) as process:
        yield ServerSettings(url=f"http://127.0.0.1:{port}/mcp", headers={"x-key": "k"})
        process.kill()


async def expect_well(shop: Shop) -> None:
    """The server does what it is asked for, as soon as it gets to it."""
    result = await shop.call("stock", 60.0, tea="green tea")
    assert result == Result("Seven boxes of green tea are left")
