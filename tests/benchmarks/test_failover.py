from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import failover_figures
from benchmarks.failover import Plan, measure_failover
from benchmarks.systems import base_environment

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_nothing_is_lost_when_workers_die(tmp_path: Path) -> None:
    """Two callers, each stage killed once, with a real bus and its users."""
    chosen = Plan(kinds=("tts", "llm", "stt", "turn"), count=4, callers=2, stop_ratio=0, before=3)
    kills, rows = await measure_failover(tmp_path, base_environment(), chosen)
    found = failover_figures.figures(rows, kills, chosen.supervisors)

    assert [kill.kind for kill in kills] == ["tts", "llm", "stt", "turn"]
    assert found["turns"] >= 2 * (3 + 2)
    assert found["turns_harmed"] >= 2
    assert [bar for bar in failover_figures.bars(found) if not bar.name.startswith("failover")]
    broken = [bar for bar in failover_figures.bars(found) if not bar.holds]
    assert [bar.name for bar in broken if not bar.name.startswith("failover")] == []
