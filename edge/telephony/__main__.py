"""``python -m edge.telephony``: one telephony edge."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog

from edge.settings import listed
from edge.telephony.gate import Gate
from edge.telephony.metronome import Metronome
from edge.telephony.office import KIND, Office
from edge.telephony.settings import SCOPE, TelephonySettings
from edge.telephony.sockets import create_app, options
from edge.telephony.tcp import listening
from edge.telephony.turnstile import Turnstile
from subjects.tokens import new_token
from voicebus import health, pulse, settings
from voicebus.errors import ConfigError
from voicebus.process import run, running
from voicebus.punctual import punctual
from voicebus.sessions.capacity import Capacity
from voicebus.sessions.sessions import Sessions
from voicebus.settings import BusSettings, ProcessSettings

log: Final = structlog.get_logger()


async def main(stop: asyncio.Event) -> None:
    """Take calls until ``stop``, then hang up."""
    chosen = settings.read(TelephonySettings, os.environ, SCOPE)
    if not chosen.realtime:
        await _serve(chosen, stop)
        return
    with punctual() as is_so:
        log.info("telephony.realtime", allowed=is_so)
        await _serve(chosen, stop)


async def _serve(chosen: TelephonySettings, stop: asyncio.Event) -> None:
    process = settings.read(ProcessSettings, os.environ)
    bus_settings = settings.read(BusSettings, os.environ)
    gate = Gate(chosen)
    name = _name(chosen, bus_settings)
    sockets = health.bind(chosen.host, chosen.port)
    tcp = None
    if chosen.audiosocket_port:
        tcp = health.bind(chosen.audiosocket_host, chosen.audiosocket_port)
    state = {"serving": False}

    def readiness() -> dict[str, bool]:
        return {**state, "bus": bool(up_buses) and up_buses[0].is_connected}

    up_buses: list[Any] = []
    async with running(readiness, process, bus_settings, stop) as up:
        up_buses.append(up.bus)
        capacity = Capacity(up.bus, listed(chosen.needs))
        sessions = Sessions(up.bus, name, KIND, chosen.max_calls, up.metrics_url, capacity)
        metronome = Metronome()
        office = Office(
            sessions=sessions, settings=chosen, metronome=metronome, turnstile=Turnstile()
        )
        async with asyncio.TaskGroup() as group, AsyncExitStack() as serving:
            helpers = [
                group.create_task(helper)
                for helper in (sessions.run(), capacity.run(), metronome.run())
            ]
            app = create_app(office, gate)
            await serving.enter_async_context(health.serve(app, sockets, **options(chosen)))
            if tcp is not None:
                await serving.enter_async_context(listening(tcp, office, gate))
                log.info("telephony.audiosocket", address=health.address(tcp))
            log.info("telephony.ready", url=f"ws://{health.address(sockets)}")
            state["serving"] = True
            await stop.wait()
            state["serving"] = False
            sessions.drain()
            try:
                async with asyncio.timeout(process.drain_s):
                    await sessions.ended.wait()
            except TimeoutError:
                log.warning("telephony.drained_late", calls=len(sessions))
            pulse.end_within(pulse.SERVER_CLOSING_S)
            for helper in helpers:
                helper.cancel()


def _name(chosen: TelephonySettings, bus: BusSettings) -> str:
    """Return the edge's name on the bus: as its user is permitted, or one that nobody has had."""
    if bus.nats_nkey_file and not chosen.name:
        raise ConfigError("VOICEBUS_TELEPHONY_NAME is missing: the name that the key was made for")
    return chosen.name or new_token("t")


if __name__ == "__main__":
    sys.exit(run("telephony", main))
