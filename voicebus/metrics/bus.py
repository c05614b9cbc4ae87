"""Every process: its connection to the bus, and the process itself."""

from __future__ import annotations

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from voicebus.metrics.buckets import BUS_BUCKETS

BUS_ACK_SECONDS = Histogram(
    "voicebus_bus_ack_seconds",
    "From publishing a recorded message to the stream's acknowledgement",
    ["stream"],
    buckets=BUS_BUCKETS,
)
BUS_ACK_FAILURES = Counter(
    "voicebus_bus_ack_failures_total",
    "Recorded messages that the stream refused or never acknowledged",
    ["stream", "code"],
)
BUS_MALFORMED = Counter(
    "voicebus_bus_malformed_total", "Messages that were no message of the catalog and were dropped"
)
BUS_CONNECTED = Gauge(
    "voicebus_bus_connected", "1 while the process is connected to a server of its cell", ["cell"]
)
BUS_RECONNECTS = Counter("voicebus_bus_reconnects_total", "Times the connection was made anew")
BUS_SAID_AGAIN = Counter(
    "voicebus_bus_said_again_total", "Messages repeated for an edge that had lost the bus"
)
BUS_SENT_AGAIN = Counter(
    "voicebus_bus_sent_again_total",
    "Recorded messages that were sent again: the connection broke, or no leader took them",
    ["stream"],
)
BUS_UNSENT = Counter(
    "voicebus_bus_unsent_total",
    "Messages of the moment (partials, presence) that were dropped for lack of a connection",
)
BUS_COPIES = Counter(
    "voicebus_bus_copies_total", "Messages that were heard a second time, and dropped"
)
BUS_REFUSED = Counter(
    "voicebus_bus_refused_total", "Times the server refused something for lack of a permission"
)
BUS_RTT_SECONDS = Gauge("voicebus_bus_rtt_seconds", "Latest round trip to the server")
INBOX_DROPPED = Counter(
    "voicebus_inbox_dropped_total", "Received messages that were dropped because nobody read them"
)
LOOP_LAG_SECONDS = Histogram(
    "voicebus_loop_lag_seconds",
    "How much later than asked the event loop came back, twice a second",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
TASKS = Gauge("voicebus_tasks", "Tasks of the event loop, as of this page")
AUDIO_GAPS = Counter(
    "voicebus_audio_gaps_total", "Gaps in a session's live audio, by how they ended", ["outcome"]
)
BUS_HOP_SECONDS = Histogram(
    "voicebus_bus_hop_seconds",
    "Round trip to the server, every 2 s: as long as a message is on its way to another process",
    buckets=BUS_BUCKETS,
)
REPLAY_SECONDS = Histogram(
    "voicebus_bus_replay_seconds",
    "Reading a session's past in the log: after a gap, a takeover, a return",
    ["stream"],
    buckets=BUS_BUCKETS,
)
REPLAYED = Counter(
    "voicebus_bus_replayed_total", "Messages that were read in the log again", ["stream"]
)
TRACE_SPANS = Counter(
    "voicebus_trace_spans_total",
    "Spans by what became of them: sent, lost (the collector did not take them, or too slowly)",
    ["outcome"],
)
BUILD = Gauge("voicebus_build_info", "1, with the version that runs", ["version"])


def refusals() -> float:
    """Return how often the server has refused something to this process."""
    return REGISTRY.get_sample_value("voicebus_bus_refused_total") or 0.0
