"""Turns as they would have been measured."""

from __future__ import annotations

from benchmarks.turns import Row


def row(number: int, variant: str, response_ms: float | None, lag_ms: float = 0.5) -> Row:
    """One turn with synthetic engines."""
    return Row(
        engines="synthetic",
        round=number,
        place=0,
        variant=variant,
        recording="sentence",
        response_ms=response_ms,
        stages={"hold": 600.0, "llm": 100.0},
        send_lag_ms_max=lag_ms,
        transcript="words",
        reply="an answer",
        error="" if response_ms is not None else "it broke",
    )


def run(rounds: int, **response_ms: float) -> list[Row]:
    """Rounds in which each variant always takes its time."""
    return [row(n, name, ms) for n in range(rounds) for name, ms in response_ms.items()]
