from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks.apart import starter_apart
from tests.voicebus.test_supervisor import is_alive, part, renewable
from tests.workers import until
from voicebus.supervisor import PartFailed


async def test_parts_are_started_and_ended_from_another_thread(tmp_path: Path) -> None:
    """They are started anew when they die, and replaced when that is asked for."""
    async with starter_apart(tmp_path, steady_s=0.0) as apart:
        await apart.start(renewable("stt-0"), part("edge"))
        first, edge = apart.pid("stt-0"), apart.pid("edge")
        os.kill(first, signal.SIGKILL)
        await until(lambda: apart.pid("stt-0") != first and apart.readiness()["stt-0"], 30.0)
        second = apart.pid("stt-0")
        await apart.restart("stt-0")
        third = apart.pid("stt-0")
        assert apart.readiness() == {"stt-0": True, "edge": True}
        assert apart.part("edge").name == "edge"

    assert len({first, second, third}) == 3
    assert not any(map(is_alive, (second, third, edge)))


async def test_a_part_that_fails_says_so_here(tmp_path: Path) -> None:
    """And the others are ended."""
    async with starter_apart(tmp_path) as apart:
        await apart.start(part("edge"))
        edge = apart.pid("edge")
        with pytest.raises(PartFailed, match="ended with code 3"):
            await apart.start(part("broken", "sys.exit(3)"))

    assert not is_alive(edge)
