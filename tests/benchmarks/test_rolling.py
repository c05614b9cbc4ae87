from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import rolling_figures
from benchmarks.rolling import Plan, roll
from benchmarks.systems import base_environment

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_nothing_is_lost_when_every_process_is_replaced(tmp_path: Path) -> None:
    """Four callers, two workers of each stage, a supervisor, two edges and the bus."""
    rolled = await roll(tmp_path, base_environment(), Plan(callers=4, between_s=3.0))
    found = rolling_figures.figures(rolled.rows, rolled.drains, rolled.returns)

    kinds = ["supervisor", "stt", "stt", "turn", "turn", "llm", "llm", "tts", "tts"]
    assert [drain.kind for drain in rolled.drains] == [*kinds, "edge", "edge", "nats"]
    assert found["turns_touched"] >= 4
    assert found["returns"] >= 4
    assert [bar.name for bar in rolling_figures.bars(found) if not bar.holds] == []
