"""The edge's clock."""

from __future__ import annotations

import time


def now_s() -> float:
    """Return the time, in seconds since some moment: only differences mean something."""
    return time.perf_counter()
