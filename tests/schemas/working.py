"""Examples of the messages about who works, and how much there is to do."""

from __future__ import annotations

from typing import Final

from schemas.claim import Demand, DrainAsked, Presence
from schemas.event import Event

WORKING: Final[tuple[Event, ...]] = (
    DrainAsked(worker="host-1"),
    Demand(role="stt", waiting=2, held=14, slots=20, workers=5, promised=3, refused=1),
    Presence(
        role="llm",
        worker="host-1",
        slots=2,
        busy=1,
        state="draining",
        engine="openai smollm2",
        metrics="http://127.0.0.1:9000/metrics",
        life="0f1e2d3c4b5a6978",
        p50_ms=20.5,
        p99_ms=300.5,
        returns=3,
        promised=2,
        refused=1,
        models=("smollm2",),
        voices=("en_US-joe-medium",),
        servers=("tea",),
    ),
)
