"""The supervisor, and `voicebus up`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

RESTARTS = Counter("voicebus_part_restarts_total", "Times a part was started anew", ["part"])
HANDOVERS = Counter(
    "voicebus_handovers_total",
    "Claims handed on for workers that died, by how it was noticed: disconnected, silent",
    ["role", "reason"],
)
DEMAND = Gauge(
    "voicebus_demand_sessions",
    "Claims that wait and that are held, places that edges keep for sessions which have said "
    "nothing yet, and callers who were just sent away; with two supervisors the same from each: "
    "take one",
    ["role"],
)
DEMAND_WAITING = Gauge("voicebus_demand_waiting", "Claims that no worker has yet", ["role"])
DEMAND_PROMISED = Gauge(
    "voicebus_demand_promised",
    "Places that edges keep for sessions which have said nothing yet: a part of the demand",
    ["role"],
)
DEMAND_REFUSED = Gauge(
    "voicebus_demand_refused",
    "Callers who were sent away within five seconds as no place was free: a part of the demand",
    ["role"],
)
QUEUE_AGE_SECONDS = Gauge(
    "voicebus_queue_age_seconds",
    "How long the oldest job has waited that no worker has yet; 0 where none waits",
    ["role"],
)
FLEET_SLOTS = Gauge("voicebus_slots", "Claims that all ready workers together can hold", ["role"])
FLEET_WORKERS = Gauge("voicebus_workers", "Workers that are ready", ["role"])

AUTOSCALE_WORKERS = Gauge(
    "voicebus_autoscale_workers",
    "Workers that this process runs: ready, starting, draining",
    ["role", "state"],
)
AUTOSCALE_STEPS = Counter(
    "voicebus_autoscale_steps_total",
    "Workers that were added (grows) and drained (shrinks)",
    ["role", "how"],
)
