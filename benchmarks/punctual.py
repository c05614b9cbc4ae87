"""Callers that are never late because the system that they speak to computes.

A caller is another machine. Here it shares its cores with the models, which are at work in the
very moments in which its frames are due.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PRIORITY: Final = 1


@contextmanager
def punctual() -> Iterator[None]:
    """Let this thread go before all others while the context lasts, where the kernel allows it.

    The thread must have little to do. Threads and processes that it starts do not inherit this.
    """
    usual, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, usual, priority)
