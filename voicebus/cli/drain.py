"""``voicebus drain WORKER`` and ``voicebus restart NAME``: workers that go without a word lost."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from typing import Any, Final

from schemas.claim import DrainAsked, Presence
from schemas.codec import encode
from subjects.processes import order_subject, presence_subject
from subjects.streams import ROLES
from voicebus import control, operator, settings
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.errors import BusError, NoWorker
from voicebus.supervisor import UpSettings
from voicebus.worker import PRESENCE_S

_LOOK_S: Final = 3 * PRESENCE_S
_WAIT_S: Final = 60.0


def add_parser(subparsers: Any) -> None:
    """Add ``drain`` and ``restart``."""
    drain = subparsers.add_parser(
        "drain",
        help="have a worker hand on what it holds, and end",
        description="Have a worker hand on what it holds, and end. `voicebus up` does not start "
        "it again.",
    )
    drain.add_argument("worker", help="its name on the bus: see `voicebus top`")
    drain.add_argument("--wait", action="store_true", help="return when it has ended")
    drain.set_defaults(run=_run_drain)
    restart = subparsers.add_parser(
        "restart",
        help="start parts of `voicebus up` anew, one after the other",
        description="Start parts of the `voicebus up` that runs here anew, one after the other. "
        "The new worker is ready before the old one hands its sessions on.",
    )
    restart.add_argument("name", nargs="+", help="names of parts, as in the log; or all")
    restart.set_defaults(run=_run_restart)


def _run_drain(args: argparse.Namespace) -> int:
    try:
        asyncio.run(_drain(args.worker, wait=args.wait))
    except BusError as error:
        print(f"voicebus drain: {error}", file=sys.stderr)
        return 1
    return 0


def _run_restart(args: argparse.Namespace) -> int:
    folder = settings.read(UpSettings, os.environ, "UP_").folder()
    return 0 if asyncio.run(control.order(folder, ("restart", *args.name), print)) else 1


async def _drain(worker: str, *, wait: bool) -> None:
    async with operator.connected("admin", "drain") as bus:
        await drain(bus, worker, wait=wait)
    print(f"{worker} has ended" if wait else f"{worker} was asked to drain")


async def drain(bus: Bus, worker: str, *, wait: bool) -> None:
    """Ask a worker to drain.

    Args:
        bus: Connection of a user who may give orders.
        worker: Its name.
        wait: Return only when it holds nothing any more.

    Raises:
        NoWorker: There is none of that name, or it does not end in time.
    """
    async with bus.listen(presence_subject(bus.cell, "*", worker)) as inbox:
        found = await _next(inbox, _LOOK_S, f"no worker {worker!r} gives a sign of life")
        if found.role not in ROLES:
            raise NoWorker(f"{worker!r} is no worker but {found.role}: end its process")
        asked = encode(DrainAsked(worker=worker))
        await bus.publish_raw(order_subject(bus.cell, found.role, worker), asked)
        await bus.flush()
        until_s = time.monotonic() + _WAIT_S
        while wait and found.state != "drained":
            left_s = until_s - time.monotonic()
            found = await _next(inbox, left_s, f"{worker} did not say that it has ended")


async def _next(inbox: Inbox, limit_s: float, otherwise: str) -> Presence:
    try:
        async with asyncio.timeout(limit_s):
            async for _, event in inbox:
                if isinstance(event, Presence):
                    return event
    except TimeoutError:
        pass
    raise NoWorker(otherwise)
