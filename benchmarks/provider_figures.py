"""From turns whose first provider failed to figures, and what of them has to hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar
from benchmarks.provider_fakes import CASES

LIMITS: Final[Mapping[str, float]] = {"provider_failover_p95_ms": 100.0}

_LEAST_TURNS: Final = 20


class ProviderRow(Struct, frozen=True, kw_only=True):
    """One turn.

    Fields
        case: What the first provider did.
        deadline_ms: How long it is waited for: the first token, or the next one; 0 where it says
            itself that it does not answer.
        waited_ms: From the request (in mid-answer: from its last words) to the next one's words.
        text: The reply as it was read.
        failovers: How many providers had failed, as the worker tells it.
        error: Why there is none; empty if there is.
    """

    case: str
    deadline_ms: float
    waited_ms: float = 0.0
    text: str = ""
    failovers: int = 0
    error: str = ""

    @property
    def beyond_ms(self) -> float:
        """What it took beyond the deadline."""
        return self.waited_ms - self.deadline_ms


def figures(rows: Sequence[ProviderRow]) -> dict[str, float]:
    """Return what the turns say: of each case, and of all that were failed over."""
    found: dict[str, float] = {}
    told = [row for row in rows if not row.error]
    for case in CASES:
        beyond = [row.beyond_ms for row in told if row.case == case]
        if beyond:
            found[f"provider_{case}_p50_ms"] = stats.percentile(beyond, 50)
            found[f"provider_{case}_p95_ms"] = stats.percentile(beyond, 95)
    over = [row.beyond_ms for row in told if row.case != "direct"]
    if over:
        found["provider_failover_p50_ms"] = stats.percentile(over, 50)
        found["provider_failover_p95_ms"] = stats.percentile(over, 95)
    found["provider_failed_turns"] = float(len(rows) - len(told))
    return found


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of the figures that have a limit."""
    return tuple(
        Bar(name, found[name], limit, "lower", found[name] <= limit)
        for name, limit in LIMITS.items()
        if name in found
    )


def void_reasons(rows: Sequence[ProviderRow], reply: str) -> list[str]:
    """Return why a run decides nothing; empty if it does."""
    reasons = []
    if len(rows) < _LEAST_TURNS:
        reasons.append(f"fewer than {_LEAST_TURNS} turns")
    if failed := [row.error for row in rows if row.error]:
        reasons.append(f"{len(failed)} turns had no answer: {failed[0]}")
    if wrong := [row for row in rows if not row.error and row.text != reply]:
        reasons.append(f"{len(wrong)} replies are not whole, or have words twice")
    unseen = [row for row in rows if not row.error and row.failovers != (row.case != "direct")]
    if unseen:
        reasons.append(f"{len(unseen)} turns do not tell their failover")
    return reasons
