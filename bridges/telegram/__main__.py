"""``python -m bridges.telegram``: one process, with all bots."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import structlog

from bridges.telegram.bots import configured, file_of
from bridges.telegram.bridge import Bridge
from bridges.telegram.house import Common
from bridges.telegram.settings import SCOPE, TelegramSettings
from bridges.telegram.turn import KIND, Turns
from bridges.telegram.webhook import create_app
from subjects.streams import ROLES
from subjects.tokens import new_token
from voicebus import health, settings
from voicebus.bus.client import Bus
from voicebus.errors import ConfigError
from voicebus.fleet import Fleet
from voicebus.http_guard import HEAD_BYTES, GuardedHttp
from voicebus.process import run, running
from voicebus.sessions.capacity import Capacity
from voicebus.sessions.sessions import Sessions
from voicebus.settings import BusSettings, ProcessSettings

log: Final = structlog.get_logger()

_HEAD_S: Final = 5.0
_GUARDS: Final = {
    "http": partial(GuardedHttp, handshake_s=_HEAD_S),
    "h11_max_incomplete_event_size": HEAD_BYTES,
    "server_header": False,
}
"""Settings of uvicorn: who sends slowly is not waited for."""


async def main(stop: asyncio.Event) -> None:
    """Serve the bots until ``stop``, and let what runs come to its end."""
    chosen = settings.read(TelegramSettings, os.environ, SCOPE)
    process = settings.read(ProcessSettings, os.environ)
    bus_settings = settings.read(BusSettings, os.environ)
    bots = configured(chosen)
    name = _name(chosen, bus_settings)
    buses: list[Bus] = []

    def readiness() -> dict[str, bool]:
        return {"bus": bool(buses) and buses[0].is_connected, "serving": not stop.is_set()}

    async with running(readiness, process, bus_settings, stop) as up:
        capacity, fleet = Capacity(up.bus, ROLES), Fleet(up.bus)
        sessions = Sessions(up.bus, name, KIND, chosen.max_turns, up.metrics_url, capacity)
        common = Common(
            bus=up.bus,
            process=new_token(f"{name[:40]}-"),
            turns=Turns(sessions, chosen),
            fleet=fleet,
            settings=chosen,
        )
        bridge = Bridge(common)
        async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
            helpers = [group.create_task(part.run()) for part in (sessions, capacity, fleet)]
            if chosen.webhook_url:
                listener = health.bind(chosen.host, chosen.port)
                await stack.enter_async_context(
                    health.serve(create_app(bridge.webhook), listener, **_GUARDS)
                )
                log.info("telegram.listening", address=health.address(listener))
            await stack.enter_async_context(bridge.running(bots, process.drain_s))
            if chosen.bots_file:
                following = bridge.follow(file_of(chosen), process.drain_s)
                helpers.append(group.create_task(following))
            buses.append(up.bus)
            log.info("telegram.ready", bots=len(bridge))
            await stop.wait()
            await stack.aclose()
            sessions.drain()
            await sessions.ended.wait()
            for helper in helpers:
                helper.cancel()


def _name(chosen: TelegramSettings, bus: BusSettings) -> str:
    """Return the bridge's name on the bus: as its user is permitted, or one that nobody has had."""
    if bus.nats_nkey_file and not chosen.name:
        raise ConfigError("VOICEBUS_TELEGRAM_NAME is missing: the name that the key was made for")
    return chosen.name or new_token("t")


if __name__ == "__main__":
    sys.exit(run("telegram", main))
