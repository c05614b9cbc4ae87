"""From measured sessions to what a model predicts of many more, and what they cost. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar
from benchmarks.queueing import Stage, places_for, simulate

MODEL_LIMIT: Final = 0.15
"""How far the model's response may be from the measured one, as a part of that."""

CELLS: Final = 20
CELL_SESSIONS: Final = 5_000
LOADS: Final = (0.7, 0.9)
LOST_SHARE: Final = 0.1

_MODEL_S: Final = 600.0
_CELL_S: Final = 60.0
_STAGES: Final = ("stt", "turn", "llm", "tts")
_FORWARDING: Final = ("edge", "nats")
_CHUNKS_PER_S: Final = 50
"""Of a caller, while his audio comes: one in 20 ms."""


class SizeRow(Struct, frozen=True, kw_only=True):
    """So many callers at once.

    Fields
        engines: ``synthetic`` or ``real``.
        sessions: How many.
        turns: How many turns were answered.
        turns_per_s: The same by the time.
        response_p50_ms: From the last word to the first sound.
        response_p95_ms: The same, 95 of 100.
        llm_s: How long the language model's workers were at work for a turn, all attempts.
        cpu_s: Processor time in a second of all sessions together, by part.
        errors: How often each error was told.
        void: Why the row says nothing.
    """

    engines: str
    sessions: int
    turns: int
    turns_per_s: float
    response_p50_ms: float
    response_p95_ms: float
    llm_s: float = 0.0
    cpu_s: Mapping[str, float] = {}
    errors: Mapping[str, int] = {}
    void: Sequence[str] = ()


def predicted_p50_ms(alone: SizeRow, sessions: int, stage: Stage) -> float:
    """Return what the model makes of more sessions, from one that was alone.

    Args:
        alone: The one.
        sessions: How many.
        stage: The narrowest stage, where they queue.
    """
    think_s = 1 / alone.turns_per_s - stage.service_s
    waits = simulate(sessions, think_s, (stage,), _MODEL_S).waits_s
    return alone.response_p50_ms + 1000 * stats.percentile(waits, 50)


def model_figures(rows: Sequence[SizeRow], engines: str, stage: Stage) -> dict[str, float]:
    """Return measured and predicted responses side by side; rows begin with one session."""
    alone, *more = [row for row in rows if row.engines == engines]
    found = {f"{engines}_response_p50_ms_1": alone.response_p50_ms}
    errors = []
    for row in more:
        name = f"{engines}_response_p50_ms_{row.sessions}"
        found[name] = row.response_p50_ms
        found[f"{engines}_model_p50_ms_{row.sessions}"] = predicted_p50_ms(
            alone, row.sessions, stage
        )
        errors.append(abs(found[f"{engines}_model_p50_ms_{row.sessions}"] / found[name] - 1))
    if errors:
        found[f"{engines}_model_error_ratio"] = max(errors)
    return found


def cpu_figures(row: SizeRow) -> dict[str, float]:
    """Return what one of some conversations costs in processor time, part by part."""
    each = {part: cpu_s / row.sessions for part, cpu_s in row.cpu_s.items()}
    found = {f"cpu_{part}_ms_per_s": 1000 * cpu_s for part, cpu_s in each.items()}
    found["cpu_cores_per_session"] = sum(each.values())
    found["conversations_per_core"] = LOADS[0] / found["cpu_cores_per_session"]
    found["core_hours_per_hour"] = 1 / found["conversations_per_core"]
    return found


def bus_figures(stored_per_s: float) -> dict[str, float]:
    """Return what one bus stores, in chunks of audio and in callers who send so much."""
    return {"bus_stored_per_s": stored_per_s, "bus_callers": stored_per_s / _CHUNKS_PER_S}


def services_s(row: SizeRow) -> list[float]:
    """Return how long a turn holds one core, stage by stage; llama.cpp's time is the model's."""
    cpu_s = dict(row.cpu_s)
    cpu_s["llm"] = cpu_s.get("llm", 0.0) + cpu_s.get("llama", 0.0)
    return [cpu_s[stage] / row.turns_per_s for stage in _STAGES]


def cell_figures(row: SizeRow) -> dict[str, float]:
    """Return how long turns wait in cells of five thousand sessions, a hundred thousand in all."""
    times_s = services_s(row)
    think_s = max(0.0, row.sessions / row.turns_per_s - sum(times_s))
    found: dict[str, float] = {"cells_sessions": float(CELLS * CELL_SESSIONS)}
    for load in LOADS:
        places = places_for(CELL_SESSIONS, think_s, times_s, load)
        name = f"cells_{round(100 * load)}"
        found[f"{name}_cores_per_cell"] = float(sum(places))
        for part in _FORWARDING:
            each_s = row.cpu_s[part] / row.sessions
            found[f"{name}_{part}_cores_per_cell"] = CELL_SESSIONS * each_s / load
        found |= _waits(name, think_s, places, times_s)
        left = [max(1, round(count * (1 - LOST_SHARE))) for count in places]
        found |= _waits(f"{name}_tenth_lost", think_s, left, times_s)
    return found


def _waits(
    name: str, think_s: float, places: Sequence[int], times_s: Sequence[float]
) -> dict[str, float]:
    stages = [Stage(n, s, 0.5) for n, s in zip(places, times_s, strict=True)]
    waits_s = [
        wait_s
        for cell in range(CELLS)
        for wait_s in simulate(CELL_SESSIONS, think_s, stages, _CELL_S, cell).waits_s
    ]
    return {
        f"{name}_wait_{p}_ms": 1000 * stats.percentile(waits_s, percent) if waits_s else 0.0
        for p, percent in (("p50", 50), ("p99", 99))
    }


def bars(figures: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit."""
    name = "synthetic_model_error_ratio"
    if name not in figures:
        return ()
    return (Bar(name, figures[name], MODEL_LIMIT, "lower", figures[name] <= MODEL_LIMIT),)


def void_reasons(rows: Sequence[SizeRow]) -> list[str]:
    """Return why the run decides nothing."""
    found = [
        f"{row.sessions} {row.engines} sessions: {reason}" for row in rows for reason in row.void
    ]
    found += [
        f"{row.sessions} {row.engines} sessions: {dict(row.errors)}" for row in rows if row.errors
    ]
    found += [
        f"{row.sessions} {row.engines} sessions: no turn was answered"
        for row in rows
        if not row.turns
    ]
    return found
