"""Every worker: claims, and what becomes of them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from voicebus.metrics.buckets import BUS_BUCKETS

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
    buckets=(*BUS_BUCKETS, 2, 5, 15, 60),
)
TAKEOVERS = Counter(
    "voicebus_takeovers_total",
    "Work of a lost worker, by what became of it: continued, anew, cut (ended where it was), done",
    ["role", "outcome"],
)
DEAD_LETTERS = Counter(
    "voicebus_dead_letters_total",
    "Jobs given up and kept: they killed or failed three workers, or none could read them",
    ["role"],
)
FAILURES = Counter("voicebus_failures_total", "Failures that a stage published", ["stage", "code"])
