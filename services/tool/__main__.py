"""``python -m services.tool``: one tool worker."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from functools import partial

from msgspec.structs import replace

from schemas.tool import ToolsKept
from services.tool.engines.mcp import McpServer
from services.tool.settings import SCOPE, ToolSettings, read_servers
from services.tool.worker import call
from subjects.catalog import CATALOG
from subjects.kept import tools_subject
from voicebus import settings
from voicebus.bus.client import Bus
from voicebus.bus.envelope import opened
from voicebus.errors import BusError, Fenced
from voicebus.process import attached, run, serve_role
from voicebus.settings import BusSettings, ProcessSettings
from voicebus.worker import Role

_TRIES = 20
_AGAIN_S = 0.2


async def keep(bus: Bus, server: str, kept: ToolsKept) -> None:
    """Let turn workers know which functions a server has, if that is news.

    Raises:
        BusError: It cannot be written.
    """
    subject = tools_subject(bus.cell, server)
    refusal: BusError = Fenced("others write it at the same time")
    for _ in range(_TRIES):
        newest = await bus.last(CATALOG[ToolsKept].stream, subject)
        if newest is not None and opened(newest.subject, newest.payload) == kept:
            return
        try:
            await bus.keep(kept, subject, 0 if newest is None else newest.sequence)
        except BusError as err:
            refusal = err
            await asyncio.sleep(_AGAIN_S)
        else:
            return
    raise refusal


async def main(stop: asyncio.Event) -> None:
    """Call functions until ``stop``."""
    chosen = settings.read(ToolSettings, os.environ, SCOPE)
    # Its lines show addresses whole, and secrets stand in them; what is wrong is said by us.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    servers = {
        name: McpServer(name, server, chosen.again_s)
        for name, server in read_servers(chosen).items()
    }
    process = settings.read(ProcessSettings, os.environ)
    bus_settings = settings.read(BusSettings, os.environ)
    role = Role(
        name="tool",
        slots=chosen.slots,
        engine=f"mcp {' '.join(servers)}".strip(),
        servers=tuple(servers),
    )

    async def warm() -> None:
        """Servers come and go while the worker runs."""

    # What a worker's claims write goes over another connection.
    aside = replace(process, worker_id=f"{process.name()}-tools"[:64])
    work = partial(call, servers=servers, result_chars=chosen.result_chars)
    async with attached(aside, bus_settings, stop) as bus, asyncio.TaskGroup() as group:
        connecting = [
            group.create_task(server.run(partial(keep, bus))) for server in servers.values()
        ]
        await serve_role(role, work, warm, stop)
        for task in connecting:
            task.cancel()


if __name__ == "__main__":
    sys.exit(run("tool", main))
