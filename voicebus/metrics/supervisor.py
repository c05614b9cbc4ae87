"""The supervisor, and `voicebus up`."""

from __future__ import annotations

from prometheus_client import Counter

RESTARTS = Counter("voicebus_part_restarts_total", "Times a part was started anew", ["part"])
HANDOVERS = Counter(
    "voicebus_handovers_total",
    "Claims handed on for workers that died, by how it was noticed: disconnected, silent",
    ["role", "reason"],
)
