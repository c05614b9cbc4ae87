"""How long a caption takes, from the partial on the bus to the frame in which it is seen."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from benchmarks.widget import SETTINGS, visit
from tests.models import model_path
from tests.system import SYNTHETIC, System
from voicebus.bus.client import connect as connect_bus
from voicebus.settings import BusSettings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.slow,  # a figure: it says something on a machine that does nothing else
    pytest.mark.timeout(300),
]

LIMIT_MS = 100.0


async def test_a_caption_is_seen_within_a_tenth_of_a_second(chromium: str, tmp_path: Path) -> None:
    """Both ends of the way are on this machine and read the same clock."""
    model_path("silero-vad")
    with System(tmp_path / "system", {**SYNTHETIC, **SETTINGS}) as system:
        bus = await connect_bus(BusSettings(nats_url=system.nats.url), "overheard")
        try:
            one = await visit(1, chromium, tmp_path / "visit", system.root, bus)
        finally:
            await bus.close()

    shown_ms = [caption.shown_ms for caption in one.captions]
    assert one.unlike == 0
    assert len(shown_ms) > 5
    assert shown_ms[0] <= LIMIT_MS
    assert statistics.median(shown_ms) <= LIMIT_MS
