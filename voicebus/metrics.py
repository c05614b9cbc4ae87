"""Every Prometheus metric of the system, in one place.

Base units (seconds, bytes); labels are bounded: never a session, a user or a text.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

_STAGE_BUCKETS: Final = (
    0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10
)  # fmt: skip
_BUS_BUCKETS: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1)

# Every process -----------------------------------------------------------------------------------
BUS_ACK_SECONDS = Histogram(
    "voicebus_bus_ack_seconds",
    "From publishing a recorded message to the stream's acknowledgement",
    ["stream"],
    buckets=_BUS_BUCKETS,
)
BUS_ACK_FAILURES = Counter(
    "voicebus_bus_ack_failures_total",
    "Recorded messages that the stream refused or never acknowledged",
    ["stream", "code"],
)
BUS_MALFORMED = Counter(
    "voicebus_bus_malformed_total", "Messages that were no message of the catalog and were dropped"
)
BUS_RECONNECTS = Counter("voicebus_bus_reconnects_total", "Times the connection was made anew")
BUS_SAID_AGAIN = Counter(
    "voicebus_bus_said_again_total", "Messages repeated for an edge that had lost the bus"
)
BUS_SENT_AGAIN = Counter(
    "voicebus_bus_sent_again_total",
    "Recorded messages that were on their way when the connection broke, and were sent again",
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
TASKS = Gauge("voicebus_tasks", "Tasks of the event loop, as of this page")
AUDIO_GAPS = Counter(
    "voicebus_audio_gaps_total", "Gaps in a session's live audio, by how they ended", ["outcome"]
)

# Workers -----------------------------------------------------------------------------------------
SLOTS = Gauge("voicebus_worker_slots", "Claims that the worker can hold", ["role"])
BUSY = Gauge("voicebus_worker_busy", "Claims that the worker holds", ["role"])
READY = Gauge("voicebus_worker_ready", "1 while the worker takes claims", ["role"])
CLAIMS = Counter(
    "voicebus_claims_total",
    "Claims by how they ended: done, failed, fenced, handed_on, poisoned",
    ["role", "outcome"],
)
CLAIM_WAIT_SECONDS = Histogram(
    "voicebus_claim_wait_seconds",
    "From publishing a job to a worker starting on it",
    ["role"],
    buckets=(*_BUS_BUCKETS, 2, 5, 15, 60),
)
TAKEOVERS = Counter(
    "voicebus_takeovers_total",
    "Work of a lost worker, by what became of it: continued, anew, cut (ended where it was), done",
    ["role", "outcome"],
)
DEAD_LETTERS = Counter(
    "voicebus_dead_letters_total", "Jobs given up: they killed or failed three workers", ["role"]
)
FAILURES = Counter("voicebus_failures_total", "Failures that a stage published", ["stage", "code"])

# Stages ------------------------------------------------------------------------------------------
STT_HOLD_SECONDS = Histogram(
    "voicebus_stt_hold_seconds",
    "Audio time between the last speech and the decision that the utterance is over",
    buckets=_STAGE_BUCKETS,
)
STT_FINAL_SECONDS = Histogram(
    "voicebus_stt_final_seconds",
    "From the end of an utterance being decided to its final",
    ["engine"],
    buckets=_STAGE_BUCKETS,
)
STT_COMPUTE_SECONDS = Histogram(
    "voicebus_stt_compute_seconds",
    "Time in the engine",
    ["engine", "kind"],
    buckets=_STAGE_BUCKETS,
)
STT_QUEUE_SECONDS = Histogram(
    "voicebus_stt_queue_seconds", "Wait for the engine", ["kind"], buckets=_STAGE_BUCKETS
)
STT_AUDIO_SECONDS = Counter("voicebus_stt_audio_seconds_total", "Speech recognised", ["engine"])
STT_EARLY = Counter(
    "voicebus_stt_early_total", "Recognitions begun inside the hold, by use", ["outcome"]
)
STT_HALLUCINATIONS = Counter(
    "voicebus_stt_hallucinations_total", "Texts dropped because nobody said them"
)
STT_RETRIES = Counter(
    "voicebus_stt_retries_total",
    "Utterances recognised again: rate, loop or probability of the first text was suspicious",
    ["reason"],
)
TURNS = Counter("voicebus_turns_total", "Turns by how they ended", ["outcome"])
TURN_DECISION_SECONDS = Histogram(
    "voicebus_turn_decision_seconds",
    "From the caller's final to the jobs that answer it",
    buckets=_BUS_BUCKETS,
)
SPECULATIONS = Counter(
    "voicebus_speculations_total",
    "Answers begun before the end of the turn was certain: begun, used, wasted",
    ["outcome"],
)
INTERRUPTIONS = Counter(
    "voicebus_interruptions_total",
    "Replies that paused because the caller spoke: confirmed (given up), false (gone on with)",
    ["outcome"],
)
LLM_TTFT_SECONDS = Histogram(
    "voicebus_llm_ttft_seconds",
    "From the claim to the first token",
    ["engine", "model"],
    buckets=_STAGE_BUCKETS,
)
LLM_SECONDS = Histogram(
    "voicebus_llm_seconds",
    "From the claim to the last token",
    ["engine", "model"],
    buckets=_STAGE_BUCKETS,
)
LLM_TOKENS = Counter("voicebus_llm_tokens_total", "Pieces streamed", ["engine", "model"])
LLM_WASTED_TOKENS = Counter(
    "voicebus_llm_wasted_tokens_total",
    "Pieces streamed for replies that were cancelled: speculative (never released), interrupted",
    ["reason"],
)
TTS_TTFA_SECONDS = Histogram(
    "voicebus_tts_ttfa_seconds",
    "From the first clause to the first audible chunk",
    ["engine"],
    buckets=_STAGE_BUCKETS,
)
TTS_CLAUSE_SECONDS = Histogram(
    "voicebus_tts_clause_seconds", "Synthesis of one clause", ["engine"], buckets=_STAGE_BUCKETS
)
TTS_AUDIO_SECONDS = Counter("voicebus_tts_audio_seconds_total", "Audio spoken", ["engine"])
TTS_WASTED_SECONDS = Counter(
    "voicebus_tts_wasted_seconds_total",
    "Audio made and never heard, of cancelled work: speculative (never released), interrupted",
    ["reason"],
)

# Edges -------------------------------------------------------------------------------------------
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
    buckets=_STAGE_BUCKETS,
)
STAGE_SECONDS = Histogram(
    "voicebus_stage_seconds",
    "Share of each stage in a turn's response, by the edge's clock",
    ["stage"],
    buckets=_STAGE_BUCKETS,
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
    buckets=(*_STAGE_BUCKETS, 30, 60),
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

# Conversations -----------------------------------------------------------------------------------
CONVERSATIONS_JOINED = Counter(
    "voicebus_conversations_joined_total",
    "Sessions that belong to a conversation, by how they came to it: begun, owner, code",
    ["how"],
)
CONVERSATIONS_REFUSED = Counter(
    "voicebus_conversations_refused_total",
    "Sessions that named a conversation or a link code and may not join, by the error's code",
    ["code"],
)
LINK_CODES_MADE = Counter("voicebus_link_codes_made_total", "Link codes made")
EXCHANGES_UNKEPT = Counter(
    "voicebus_exchanges_unkept_total",
    "Turns that could not be kept in their conversation before their session ended",
)

# Supervisor --------------------------------------------------------------------------------------
RESTARTS = Counter("voicebus_part_restarts_total", "Times a part was started anew", ["part"])
HANDOVERS = Counter(
    "voicebus_handovers_total",
    "Claims handed on for workers that died, by how it was noticed: disconnected, silent",
    ["role", "reason"],
)
DEMAND = Gauge(
    "voicebus_demand_sessions",
    "Claims that wait and that are held; with two supervisors the same from each: take one",
    ["role"],
)
DEMAND_WAITING = Gauge("voicebus_demand_waiting", "Claims that no worker has yet", ["role"])
FLEET_SLOTS = Gauge("voicebus_slots", "Claims that all ready workers together can hold", ["role"])
FLEET_WORKERS = Gauge("voicebus_workers", "Workers that are ready", ["role"])

# Autoscale ---------------------------------------------------------------------------------------
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


def refusals() -> float:
    """Return how often the server has refused something to this process."""
    return REGISTRY.get_sample_value("voicebus_bus_refused_total") or 0.0
