"""Notices an event loop that no longer turns, from a thread beside it.

A loop that is blocked cannot say so: the process answers nobody, and its claims wait for others to
notice. Ending it is the only way back. The thread counts its own ticks instead of seconds, so a
process that was stopped as a whole and goes on is not taken for one that hangs.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

TICK_S: Final = 1.0
BLOCKED_TICKS: Final = 15
"""A loop that has not turned for this many ticks is blocked for good. Long after the supervisor
has handed on the claims: a machine that is merely slow shall not lose the process, too."""


CLOSING_S: Final = 2.4
"""How long a process that has handed everything on may take to end. Servers of functions are
waited for 2 s before they are told to end."""

SERVER_CLOSING_S: Final = 4.5
"""The same for one that serves clients: its server waits 3 s for them."""


def end_process(reason: str, code: int = 1) -> None:
    """Say where each thread is, and end the process without waiting for any of them."""
    print(reason, file=sys.stderr, flush=True)  # noqa: T201 - logging may be what hangs
    faulthandler.dump_traceback()
    os._exit(code)


def end_within(seconds: float) -> None:
    """End the process in good order should it not have ended by itself by then.

    A call into a library that does not return, or a task that takes no cancellation, is waited for
    without end otherwise. What the process held is in other hands by then.
    """
    why = f"the process does not end by itself within {seconds:g} s: ending"
    watch = threading.Timer(seconds, end_process, (why, 0))
    watch.daemon = True
    watch.start()


@contextmanager
def watched(
    loop: asyncio.AbstractEventLoop, on_blocked: Callable[[str], None] = end_process
) -> Iterator[None]:
    """Watch a loop while the context lasts.

    Args:
        loop: The running loop.
        on_blocked: Called in the watching thread, once.
    """
    turned, over = threading.Event(), threading.Event()
    beating = loop.create_task(_beat(turned))
    watch = threading.Thread(target=_watch, args=(turned, over, on_blocked), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        beating.cancel()


async def _beat(turned: threading.Event) -> None:
    while True:
        turned.set()
        await asyncio.sleep(TICK_S / 2)


def _watch(
    turned: threading.Event, over: threading.Event, on_blocked: Callable[[str], None]
) -> None:
    silent = 0
    while not over.wait(TICK_S):
        silent = 0 if turned.is_set() else silent + 1
        turned.clear()
        if silent >= BLOCKED_TICKS:
            on_blocked(f"the event loop has not turned for {silent * TICK_S:.0f} s: ending")
            return
