from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stats import Estimate, differences, excesses, gate, median, percentile


def test_the_interval_of_a_median_holds_the_truth_as_often_as_it_says() -> None:
    """Of many samples from a known distribution, about 95 % have the true median inside."""
    chance = np.random.default_rng(5)

    inside = sum(
        found.low <= 7.0 <= found.high
        for found in (median(list(chance.normal(7.0, 2.0, 20))) for _ in range(200))
    )

    assert 180 <= inside <= 199


def test_an_interval_is_the_same_for_the_same_seed() -> None:
    """Figures can be recomputed from the raw rows."""
    values = [3.0, 9.0, 4.0, 7.0, 1.0]

    assert median(values, seed=4) == median(values, seed=4)
    assert median(values).value == 4.0


def test_nothing_has_no_median() -> None:
    """A figure of nothing would look like a measurement."""
    with pytest.raises(ValueError, match="no values"):
        median([])
    with pytest.raises(ValueError, match="no values"):
        percentile([], 95)


def test_pairing_takes_out_what_slows_both_down() -> None:
    """A drift of a second does not hide a difference of five milliseconds."""
    drift = np.linspace(0, 1000, 30)

    found = median(differences(list(drift + 105.0), list(drift + 100.0)))

    assert found.value == pytest.approx(5.0)
    assert found.half_width < 0.01


def test_an_excess_is_a_part_of_the_other() -> None:
    """110 is a tenth more than 100."""
    assert excesses([110.0, 95.0], [100.0, 100.0]) == pytest.approx([0.1, -0.05])


def test_the_gate_is_open_when_the_system_is_like_itself() -> None:
    """An interval around zero that is narrow enough lets the figures pass."""
    assert gate(Estimate(0.3, -1.0, 1.6, 20), limit=10.0) == ""


@pytest.mark.parametrize(
    ("same", "reason"),
    [
        (Estimate(3.0, 1.0, 5.0, 20), "differs from itself by 1.0 to 5.0 ms"),
        (Estimate(-3.0, -5.0, -1.0, 20), "differs from itself by -5.0 to -1.0 ms"),
        (Estimate(0.0, -10.0, 10.0, 20), "noise is too large"),
    ],
)
def test_the_gate_is_shut_when_the_run_cannot_tell(same: Estimate, reason: str) -> None:
    """A bias, or noise as large as the limit, makes the run void."""
    assert reason in gate(same, limit=10.0)
