"""Turn-taking."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from voicebus.metrics.buckets import BUS_BUCKETS, PART_BUCKETS, STAGE_BUCKETS

TURNS = Counter("voicebus_turns_total", "Turns by how they ended", ["outcome"])
TURN_DECISION_SECONDS = Histogram(
    "voicebus_turn_decision_seconds",
    "From the caller's final to the jobs that answer it",
    buckets=BUS_BUCKETS,
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
INSTANT_ANSWERS = Counter(
    "voicebus_instant_answers_total",
    "Turns that were answered without the language model, from a persona's own answers",
)
PERSONAS_REFUSED = Counter(
    "voicebus_personas_refused_total",
    "Versions of personas, and of their answers, that have an error, and are not in use",
)
HEARD_RATIO = Histogram(
    "voicebus_reply_heard_ratio",
    "Part of a reply's audio that was heard, where the client's edge can tell",
    buckets=PART_BUCKETS,
)
SUMMARIES = Counter(
    "voicebus_summaries_total",
    "Summaries of what a chat has no room for any more: made, failed",
    ["outcome"],
)
TOOL_CALLS = Counter(
    "voicebus_tool_calls_total",
    "Functions of servers that were called for the language model: done, failed",
    ["server", "outcome"],
)
TOOL_SECONDS = Histogram(
    "voicebus_tool_seconds",
    "Time of a call of a server's function",
    ["server"],
    buckets=STAGE_BUCKETS,
)
