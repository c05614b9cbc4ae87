"""Edges and bridges: sessions, and what their clients see."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from voicebus.metrics.buckets import STAGE_BUCKETS

SESSIONS = Gauge("voicebus_sessions_active", "Sessions connected", ["edge"])
SESSIONS_ENDED = Counter(
    "voicebus_sessions_total", "Sessions by how they ended", ["edge", "reason"]
)
SESSIONS_RESUMED = Counter(
    "voicebus_sessions_resumed_total", "Times a client came back to its session"
)
RESPONSE_SECONDS = Histogram(
    "voicebus_turn_response_seconds",
    "From the last speech sample reaching the edge to the first audible reply sample leaving it",
    ["edge"],
    buckets=STAGE_BUCKETS,
)
STAGE_SECONDS = Histogram(
    "voicebus_stage_seconds",
    "Share of each stage in a turn's response, by the edge's clock",
    ["stage"],
    buckets=STAGE_BUCKETS,
)
CLIENT_ERRORS = Counter("voicebus_client_errors_total", "Errors sent to clients", ["edge", "code"])
API_REQUESTS = Counter(
    "voicebus_api_requests_total",
    "Requests of OpenAI's API by their status; 499 where the client left before its answer",
    ["route", "status"],
)
API_FIRST_BYTE_SECONDS = Histogram(
    "voicebus_api_first_byte_seconds",
    "From a request of OpenAI's API to the first byte of its answer",
    ["route"],
    buckets=(*STAGE_BUCKETS, 30, 60),
)
EDGE_AUDIO_SECONDS = Counter(
    "voicebus_edge_audio_seconds_total", "Audio through the edge", ["edge", "direction"]
)
STALE_DROPPED = Counter(
    "voicebus_stale_dropped_total", "Messages of a worker or turn that is no longer the current one"
)
EDGE_LOST = Counter(
    "voicebus_edge_lost_total",
    "Attempts at a turn of which something was lost with the connection to the bus, for good",
)
HELD_DROPPED = Counter(
    "voicebus_held_dropped_total", "Answers begun early that were too long to be held, and dropped"
)
KEYS_UNREADABLE = Gauge(
    "voicebus_keys_unreadable",
    "1 while the file of API keys is gone or cannot be read, and the keys read before it count",
)
FREE_SLOTS = Gauge(
    "voicebus_edge_free_slots",
    "Sessions that the ready workers of a role could still take, as this edge knows it",
    ["role"],
)
SESSION_SECONDS = Histogram(
    "voicebus_session_seconds",
    "How long sessions lasted",
    ["edge"],
    buckets=(1, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200),
)
BARGE_IN_STOP_SECONDS = Histogram(
    "voicebus_barge_in_stop_seconds",
    "From the first sample of a caller who interrupts reaching the edge to its order to stop",
    ["edge"],
    buckets=STAGE_BUCKETS,
)
