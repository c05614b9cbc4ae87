"""How late the event loop is."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import REGISTRY

from voicebus import loop_lag


def lag_s() -> float:
    """The sum of all that was late."""
    return REGISTRY.get_sample_value("voicebus_loop_lag_seconds_sum") or 0.0


async def test_a_blocked_loop_is_late_by_as_much() -> None:
    """What holds the loop up for a second is seen as about a second."""
    before_s = lag_s()

    with loop_lag.measured(asyncio.get_running_loop()):
        await asyncio.sleep(loop_lag.LOOK_S / 5)
        time.sleep(loop_lag.LOOK_S + 1.0)  # noqa: ASYNC251 - it is what must be noticed
        await asyncio.sleep(loop_lag.LOOK_S / 5)

    assert lag_s() - before_s >= 0.8
