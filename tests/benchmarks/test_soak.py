from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import soak_figures
from benchmarks.soak import Plan, soak
from benchmarks.systems import base_environment

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_callers_come_and_go_and_everything_is_watched(tmp_path: Path) -> None:
    """A short run: too short for slopes that mean something, long enough to be answered."""
    chosen = Plan(seconds=60.0, callers=2, every_s=20.0, quiet_s=12.0, sample_s=1.0)
    soaked = await soak(tmp_path, base_environment(), chosen)
    found = soak_figures.figures(soaked.processes, soaked.bus, soaked.deeds, soaked.stages)

    assert found["failures"] == 0
    assert found["turns"] >= 2
    assert found["sessions"] >= 2
    assert soaked.disturbances
    names = {sample.name for sample in soaked.processes}
    assert {"edge", "nats", "stt-0", "stt-1", "supervisor-0"} <= names
    assert all(sample.tasks for sample in soaked.processes if sample.name == "edge")
    assert soaked.bus[-1].jobs == 0
