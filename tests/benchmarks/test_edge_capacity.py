"""The edge under load, with few callers and for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.edge_capacity import measure_edge
from benchmarks.systems import base_environment


@pytest.mark.slow
async def test_every_frame_reaches_a_worker(tmp_path: Path) -> None:
    """The callers' frames are followed through a real edge and a real bus."""
    few, more = await measure_edge(tmp_path, base_environment(), (10, 20), 2.0)

    assert (few.error, more.error, few.lost, more.lost) == ("", "", 0, 0)
    # One session in ten is listened to, with 50 frames a second.
    assert 60 <= few.frames <= 250
    assert 120 <= more.frames <= 500
    assert 0 < few.forward_p50_ms <= few.forward_p99_ms
    assert len(few.forward_p99s_ms) == 5
    assert sorted(few.forward_p99s_ms)[2] == few.forward_p99_ms
    assert more.bus_messages_s > 500
    assert more.edge_cpu_ratio > 0
