"""What the language model of a session may ask for: the house's functions, and those of servers."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable
from typing import Final

import structlog
from msgspec.structs import replace

from schemas.persona import Tools
from schemas.tool import ToolsKept
from services.turn.calling import Function, Functions
from services.turn.house import House
from services.turn.persona import Persona
from services.turn.reach import Reach
from subjects.catalog import CATALOG
from subjects.kept import tools_subject
from subjects.tokens import is_token
from voicebus.bus.client import Bus
from voicebus.bus.envelope import opened

log: Final = structlog.get_logger()

STREAM: Final = CATALOG[ToolsKept].stream

_NOT_OF_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST: Final = 64
"""Of a name, as language models take them."""


def house_of(tools: Tools, *, keeps: bool) -> House:
    """Return the house's functions with the clock of this machine."""
    return House(tools, lambda: datetime.datetime.now(datetime.UTC), keeps=keeps)


async def functions_of(bus: Bus, tools: Tools, house: House, reach: Reach) -> Functions:
    """Return what a persona allows of what there is.

    A server that no worker has reached yet has no functions, nor has one that none calls any more:
    the model is not told of them.

    Raises:
        BusError: The bucket cannot be read.
    """
    found = dict(house.functions())
    servers = dict.fromkeys(name.partition(".")[0] for name in tools.allow if "." in name)
    reached = await reach.among(servers) if servers else frozenset()
    for server in servers:
        kept = await _kept(bus, server) if server in reached else None
        if kept is None:
            log.warning("tools.unknown", server=server, called=server in reached)
            continue
        found |= of_server(server, kept, tools.allow, found)
    return found


def of_server(
    server: str, kept: ToolsKept, allow: Iterable[str], taken: Collection[str] = ()
) -> Functions:
    """Return the functions of a server that are allowed, by the names that the model knows.

    Args:
        server: The server.
        kept: What it has.
        allow: What may be called.
        taken: Names of the functions of others, which keep them.
    """
    allowed, found = set(allow), dict[str, Function]()
    for tool in kept.tools:
        if allowed.isdisjoint((f"{server}.*", f"{server}.{tool.name}")):
            continue
        known = _free(f"{server}_{tool.name}", {*taken, *found})
        found[known] = Function(
            tool=replace(tool, name=known),
            server=server,
            name=tool.name,
            timeout_s=kept.timeout_s,
            repeatable=tool.name in kept.repeatable,
        )
    return found


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name as language models take them, with a number where another function has it."""
    plain = free = _NOT_OF_NAMES.sub("_", name)[:_LONGEST]
    number = 1
    while free in taken:
        number += 1
        free = f"{plain[: _LONGEST - len(f'_{number}')]}_{number}"
    if free != plain:
        log.warning("tools.name_taken", function=name, named=free)
    return free


async def _kept(bus: Bus, server: str) -> ToolsKept | None:
    if not is_token(server):
        return None
    newest = await bus.last(STREAM, tools_subject(bus.cell, server))
    event = None if newest is None else opened(newest.subject, newest.payload)
    return event if isinstance(event, ToolsKept) else None


async def with_functions(
    bus: Bus, persona: Persona, tools: Tools, reach: Reach, *, keeps: bool
) -> Persona:
    """Return a persona with what its language model may ask for.

    Args:
        bus: The connection.
        persona: It.
        tools: What is allowed.
        reach: Knows which servers somebody calls.
        keeps: Whether the session belongs to a conversation, which can remember things.

    Raises:
        BusError: The bucket cannot be read.
    """
    house = house_of(tools, keeps=keeps)
    return replace(
        persona,
        functions=await functions_of(bus, tools, house, reach),
        house=house.call,
        ending=house.ending,
        fact=house.fact,
        rounds=tools.rounds,
    )
