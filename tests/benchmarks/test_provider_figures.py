"""What the benchmark of the providers makes of its turns."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.provider_figures import ProviderRow, bars, figures, void_reasons

REPLY = "The first half is followed by the second one."


def row(case: str = "hangs", **fields: Any) -> ProviderRow:
    """A turn that was failed over in time."""
    given = {"deadline_ms": 300.0, "waited_ms": 330.0, "text": REPLY, "failovers": 1, **fields}
    return ProviderRow(case=case, **given)


def test_what_counts_is_what_it_takes_beyond_the_deadline() -> None:
    """In all cases together, and in each."""
    found = figures([row(), row(waited_ms=350.0), row("refuses", deadline_ms=0.0, waited_ms=10.0)])

    assert found["provider_hangs_p50_ms"] == pytest.approx(40)
    assert found["provider_refuses_p50_ms"] == pytest.approx(10)
    assert found["provider_failover_p50_ms"] == pytest.approx(30)
    assert [bar.holds for bar in bars(found)] == [True]


def test_a_slow_failover_does_not_hold() -> None:
    """A hundred milliseconds beyond the deadline are too many."""
    found = figures([row(waited_ms=401.0)] * 20)

    assert [bar.holds for bar in bars(found)] == [False]


def test_turns_without_a_failover_are_no_measure_of_it() -> None:
    """They are told apart."""
    direct = row("direct", deadline_ms=0.0, waited_ms=500.0, failovers=0)

    assert figures([direct, row()])["provider_failover_p50_ms"] == pytest.approx(30)
    assert void_reasons([direct] * 20, REPLY) == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row()], "fewer than 20"),
        ([row()] * 20 + [row(error="engine")], "1 turns had no answer: engine"),
        ([row()] * 20 + [row(text=f"The first half {REPLY}")], "words twice"),
        ([row()] * 20 + [row(failovers=0)], "do not tell their failover"),
    ],
)
def test_a_run_in_which_something_was_masked_is_void(rows: list[ProviderRow], words: str) -> None:
    """Fast and wrong is not fast."""
    assert words in " ".join(void_reasons(rows, REPLY))
