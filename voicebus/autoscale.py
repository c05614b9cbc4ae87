"""The workers of this machine, as many as the demand takes: what ``voicebus autoscale`` runs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog
from starlette.routing import Route

from schemas.claim import Demand, Presence
from subjects.jobs import demand_subject
from subjects.processes import presence_subject
from voicebus import operator, parts, process, settings, targets
from voicebus.bus.client import Bus
from voicebus.credentials import seed_of
from voicebus.crew import Crew
from voicebus.errors import ConfigError
from voicebus.haste import Haste
from voicebus.headcount import Headcount
from voicebus.scaling import SCOPE, AutoscaleSettings, Bounds, Policy
from voicebus.settings import PREFIX, BusSettings, ProcessSettings
from voicebus.supervisor import Part, Supervisor, UpSettings

log: Final = structlog.get_logger()

LOOK_S: Final = 0.5
"""How often it looks whether there are enough workers, besides when there is news."""

_NAME_LENGTH: Final = 40
"""Of 64: the role and a number stand behind it."""


def bounds_of(text: str) -> Bounds:
    """Read ``ROLE=LEAST:MOST``.

    Raises:
        ConfigError: It is something else.
    """
    role, _, limits = text.partition("=")
    least, _, most = limits.partition(":")
    if role not in parts.ROLES or not least.isdecimal() or not most.isdecimal():
        roles = ", ".join(parts.ROLES)
        raise ConfigError(f"{text!r} is not ROLE=LEAST:MOST, such as stt=1:4 (roles: {roles})")
    if int(least) > int(most) or int(most) < 1:
        raise ConfigError(f"{text!r}: at most {most} cannot be, with at least {least}")
    return Bounds(role, int(least), int(most))


async def main(stop: asyncio.Event, wanted: Sequence[Bounds]) -> None:
    """Keep the workers' numbers until ``stop``, then drain all of them.

    Raises:
        ConfigError: A setting is wrong, or a role cannot be run with these settings.
    """
    policy = settings.read(Policy, os.environ, SCOPE)
    own = settings.read(ProcessSettings, os.environ)
    if any(bounds.role == "llm" for bounds in wanted) and parts.needs_llama(os.environ):
        raise ConfigError("workers of llm need VOICEBUS_LLM_URL: the model's server is elsewhere")
    logs = settings.read(UpSettings, os.environ, "UP_").folder() / "logs" / "autoscale"
    logs.mkdir(parents=True, exist_ok=True)
    state, haste = {"bus": False}, Haste()

    def came_up(part: Part, seconds: float) -> None:
        log.info("worker.started", name=part.name, took_s=round(seconds, 1))
        haste.hurry()

    keeper = Supervisor(logs, came_up)
    name = own.name()[:_NAME_LENGTH]
    crews = {
        bounds.role: Crew(
            bounds,
            policy,
            keeper,
            partial(_worker, bounds.role, _environment(os.environ, bounds.role)),
            name=name,
        )
        for bounds in wanted
    }
    bus_settings = _bus_settings(os.environ, "monitor")

    def further(address: str) -> tuple[Route]:
        return (targets.route(keeper, address, "autoscale"),)

    async with process.running(lambda: dict(state), own, bus_settings, stop, further) as up:
        state["bus"] = True
        async with asyncio.TaskGroup() as processes:
            watching = asyncio.create_task(_watch(up.bus, crews, haste, processes))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            watching.cancel()
            await asyncio.wait((watching,))
            # One role after the other, as a turn goes: who comes later answers what is left.
            for crew in crews.values():
                await crew.end()
            await keeper.stop(())
            if not watching.cancelled():
                watching.result()


async def _watch(
    bus: Bus, crews: Mapping[str, Crew], haste: Haste, processes: asyncio.TaskGroup
) -> None:
    """Listen to who is there and to how much there is to do, and have the crews follow it."""
    headcount = Headcount()
    bus.on_reconnect.append(lambda: headcount.deafened(time.monotonic()))
    beats, demand = presence_subject(bus.cell, "*", "*"), demand_subject(bus.cell, "*")
    async with bus.listen(beats, demand) as inbox, asyncio.TaskGroup() as group:
        group.create_task(_keep_looking(headcount, haste, crews, processes))
        async for _, event in inbox:
            if isinstance(event, Presence):
                headcount.heard(event, time.monotonic())
            elif (
                isinstance(event, Demand) and event.role in crews and crews[event.role].told(event)
            ):
                haste.hurry()


async def _keep_looking(
    headcount: Headcount,
    haste: Haste,
    crews: Mapping[str, Crew],
    processes: asyncio.TaskGroup,
) -> None:
    while True:
        for crew in crews.values():
            await crew.step(processes, headcount.ready(crew.role, time.monotonic()))
        await haste.pause(LOOK_S)


def _bus_settings(environ: Mapping[str, str], user: str) -> BusSettings:
    """Return how a user of the bus connects."""
    folder = settings.read(AutoscaleSettings, environ, SCOPE).users_dir
    if not folder:
        return operator.bus_settings(environ, user)
    seed = str(seed_of(Path(folder).expanduser(), user))
    return msgspec.structs.replace(settings.read(BusSettings, environ), nats_nkey_file=seed)


def _environment(environ: Mapping[str, str], role: str) -> dict[str, str]:
    """Return the environment of a role's workers: ours, with the role's own user of the bus."""
    chosen = _bus_settings(environ, role)
    given = {
        f"{PREFIX}NATS_URL": chosen.nats_url,
        f"{PREFIX}NATS_NKEY_FILE": chosen.nats_nkey_file,
        f"{PREFIX}REPLICAS": str(chosen.replicas),
    }
    return {**parts.environment(environ), **given}


def _worker(role: str, environ: Mapping[str, str], name: str, worker: str) -> Part:
    """Return a worker: the name of its process here, and its name on the bus."""
    part = parts.worker_part(role, environ)
    environment = {**part.environment, f"{PREFIX}WORKER_ID": worker}
    return msgspec.structs.replace(part, name=name, environment=environment)
