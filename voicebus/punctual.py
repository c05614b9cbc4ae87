"""A thread that goes before all others, where the kernel allows it.

What has to happen every 20 ms must not wait until a model has had its time on the same cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PRIORITY: Final = 1


@contextmanager
def punctual() -> Iterator[bool]:
    """Let this thread go before all that have no real-time priority while the context lasts.

    The thread must have little to do. Threads and processes that it starts do not inherit this.
    Linux allows it to root, with ``CAP_SYS_NICE``, and with ``RLIMIT_RTPRIO`` of at least 1
    (``sched(7)``); elsewhere, nothing changes.

    Yields:
        Whether it is so.
    """
    if not hasattr(os, "sched_setscheduler"):  # as on macOS
        yield False
        return
    usual, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        try:
            os.sched_setscheduler(0, usual, priority)
        except PermissionError:  # whoever may rise may not always take back that nobody inherits it
            os.sched_setscheduler(0, usual | os.SCHED_RESET_ON_FORK, priority)
