"""Tells systemd how a process is: ready, stopping, and alive while its event loop turns.

systemd names a datagram socket in NOTIFY_SOCKET; without one nothing is said. The signs of life are
sent by the event loop itself: one that is blocked is silent, and systemd starts the process anew
after WatchdogSec=.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from voicebus.health import Readiness

_LOOK_S: Final = 0.2


@asynccontextmanager
async def told(
    readiness: Readiness, stop: asyncio.Event, environ: Mapping[str, str]
) -> AsyncIterator[None]:
    """Tell systemd of this process while the context lasts.

    Args:
        readiness: READY=1 is said when all of it holds for the first time; until then STATUS= says
            what is missing.
        stop: STOPPING=1 is said when it is set.
        environ: The environment.

    Raises:
        OSError: There is no such socket, or systemd does not take the first word.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.setblocking(False)  # noqa: FBT003 - positional only
        # A name without a file begins with @ in the environment, and with a zero in the address.
        out.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(_tell(out, readiness, stop))
            living = group.create_task(_live(out, watchdog_s(environ)))
            yield
            living.cancel()
            if not stop.is_set():
                telling.cancel()  # else it ends by itself, with its last word


def watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return after which silence systemd ends this process; None where it does not watch it."""
    of = environ.get("WATCHDOG_PID")
    limit_us = environ.get("WATCHDOG_USEC", "")
    if not limit_us.isdecimal() or int(limit_us) == 0 or of not in (None, str(os.getpid())):
        return None
    return int(limit_us) / 1e6


async def _tell(out: socket.socket, readiness: Readiness, stop: asyncio.Event) -> None:
    said = ""
    while not stop.is_set():
        missing = [name for name, holds in readiness().items() if not holds]
        if not missing:
            _say(out, "READY=1\nSTATUS=ready")
            break
        status = f"STATUS=waiting for {', '.join(missing)}"
        if status != said:
            _say(out, status)
            said = status
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_S)
    await stop.wait()
    _say(out, "STOPPING=1\nSTATUS=handing on what it holds")


async def _live(out: socket.socket, limit_s: float | None) -> None:
    while limit_s is not None:
        _say(out, "WATCHDOG=1")
        await asyncio.sleep(limit_s / 3)


def _say(out: socket.socket, words: str) -> None:
    # A full queue means that systemd is behind: the next word will do.
    with suppress(BlockingIOError):
        out.send(words.encode())
