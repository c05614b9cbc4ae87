"""``python -m voicebus.failover``: one supervisor. Two may run; one acts and one stands by."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Final

import msgspec
import structlog

from schemas.claim import Presence
from schemas.codec import encode
from subjects.processes import presence_subject
from voicebus import process, settings, zeros
from voicebus.bus.client import Bus
from voicebus.failover.demand import Teller
from voicebus.failover.guard import Guard
from voicebus.failover.settings import SCOPE, SupervisorSettings
from voicebus.failover.system import attend
from voicebus.settings import BusSettings, ProcessSettings
from voicebus.worker import PRESENCE_S

log: Final = structlog.get_logger()

_ROLE: Final = "supervisor"


async def main(stop: asyncio.Event) -> None:
    """Hand on what the dead held, until ``stop``."""
    chosen = settings.read(SupervisorSettings, os.environ, SCOPE)
    bus_settings = settings.read(BusSettings, os.environ)
    own = settings.read(ProcessSettings, os.environ)
    state = {"bus": False, "claims": False}
    async with process.running(lambda: dict(state), own, bus_settings, stop) as up:
        state["bus"] = True
        zeros.supervisor()
        guard = Guard(up.bus, own.name())
        async with AsyncExitStack() as stack:
            system = None
            if chosen.has_system:
                as_system = msgspec.structs.replace(
                    bus_settings,
                    nats_user=chosen.system_user,
                    nats_password=chosen.system_password,
                    nats_nkey_file=chosen.system_nkey_file,
                )
                attending = attend(as_system, own.name(), guard.began, guard.ended, guard.returned)
                system = await stack.enter_async_context(attending)
            else:
                log.warning("supervisor.no_system_account", effect="deaths are noticed after 6 s")
            async with asyncio.TaskGroup() as group:
                tasks = (
                    group.create_task(guard.run(system)),
                    group.create_task(Teller(up.bus, own.name()).run()),
                    group.create_task(_announce(up.bus, own.name(), up.metrics_url)),
                )
                await guard.ready.wait()
                state["claims"] = True
                log.info("supervisor.ready")
                await stop.wait()
                for task in tasks:
                    task.cancel()


async def _announce(bus: Bus, name: str, metrics_url: str) -> None:
    subject = presence_subject(bus.cell, _ROLE, name)
    presence = Presence(role=_ROLE, worker=name, slots=0, busy=0, metrics=metrics_url)
    while True:
        await bus.announce(subject, encode(presence))
        await asyncio.sleep(PRESENCE_S)


if __name__ == "__main__":
    sys.exit(process.run("supervisor", main))
