"""Turns in which something died, as they would have been measured."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks.failover_judgement import TurnRow
from benchmarks.kills import Kill

WHOLE = TurnRow(
    caller=0,
    session="session-1",
    recording="sentence",
    begun_s=10.0,
    ended_s=16.0,
    harm="",
    sign="",
    response_ms=1000.0,
    stalled_ms=0.0,
    stt_ms=50.0,
    transcript="words",
    finals=((0, 2000),),
    words_lost=0,
    words_doubled=0,
    audio_lost_ms=0.0,
    audio_doubled_ms=0.0,
    said_lost_ms=0.0,
    said_doubled_ms=0.0,
    unrecognised_ms=0.0,
    errors=(),
    lost="",
    late_ms=1.0,
)
KILL = Kill(
    kind="stt",
    name="stt-0",
    worker="host-1",
    sign="kill",
    phase="utterance",
    caller=0,
    at_s=11.0,
    at_ns=11_000,
    whole_s=2.0,
)


def row(**other: Any) -> TurnRow:
    """An unharmed turn, but for what is said."""
    return msgspec.structs.replace(WHOLE, **other)


def kill(**other: Any) -> Kill:
    """A killed STT worker, but for what is said."""
    return msgspec.structs.replace(KILL, **other)
