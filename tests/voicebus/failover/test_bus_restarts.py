"""A supervisor that was without the bus for a moment, and what it notices afterwards."""

from __future__ import annotations

import time
from pathlib import Path

from tests.accounts import server_with_accounts, signed_in
from tests.toy_worker import toy_worker
from tests.voicebus.failover.test_guard import (
    WELL_BEFORE_SILENCE_S,
    busy_of,
    claimed_by,
    guarded,
)
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, new_place, until, worker_in

LATE_S = 1.5


async def test_a_death_is_noticed_at_once_though_the_bus_was_restarted(tmp_path: Path) -> None:
    """The workers were back on the bus before the supervisor, which has not heard them come."""
    place, work = new_place(), Work()
    with server_with_accounts(tmp_path) as server:
        url = signed_in(server.url)
        async with bus_in(url, place.cell) as bus, guarded(server, place.cell):
            with toy_worker(url, place.cell, "dying") as process:
                await ask(bus, place)
                await claimed_by(bus, place, "dying")
                server.stop()
                server.start()
                # All that is in this process is late.
                time.sleep(LATE_S)  # noqa: ASYNC251
                await until(lambda: bus.is_connected, limit_s=10)
                assert await busy_of(bus, place.cell, "dying") == 1
                async with worker_in(url, place.cell, role("b"), work):
                    process.kill()
                    took_s = await until(work.holds(1), limit_s=20)

    assert took_s < WELL_BEFORE_SILENCE_S
