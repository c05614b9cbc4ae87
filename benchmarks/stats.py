"""What the figures of a benchmark are made of: medians, their intervals, and paired differences.

Pure. Two variants are compared turn by turn with the same recording at nearly the same time, so
that what slows the machine down slows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct

RESAMPLES: Final = 10_000


class Estimate(Struct, frozen=True):
    """A median and how well it is known.

    Fields
        value: The median.
        low: Lower end of its 95 % interval.
        high: Upper end.
        count: How many observations it rests on.
    """

    value: float
    low: float
    high: float
    count: int

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, interpolated between neighbours.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values")
    return float(np.percentile(np.asarray(values, np.float64), percent))


def median(values: Sequence[float], seed: int = 1) -> Estimate:
    """Return the median with its percentile bootstrap interval.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values")
    observed = np.asarray(values, np.float64)
    drawn = np.random.default_rng(seed).integers(0, observed.size, (RESAMPLES, observed.size))
    medians = np.median(observed[drawn], axis=1)
    low, high = np.percentile(medians, (2.5, 97.5))
    return Estimate(float(np.median(observed)), float(low), float(high), observed.size)


def differences(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours minus theirs, pair by pair."""
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def excesses(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return by which part of theirs ours is larger, pair by pair."""
    return [(a - b) / b for a, b in zip(ours, theirs, strict=True)]


def gate(same: Estimate, limit: float) -> str:
    """Judge a run by the difference of a system to itself; return why it is void, or "".

    The difference must be able to be zero, and known better than the limit that is to be decided:
    otherwise the run could not tell a difference as large as the limit from none.

    Args:
        same: The median difference between turns of one and the same system.
        limit: The limit that differences are held against, in the same unit.
    """
    if not same.low <= 0.0 <= same.high:
        return f"the system differs from itself by {same.low:.1f} to {same.high:.1f} ms"
    if same.half_width >= limit:
        return (
            f"the noise is too large: the system differs from itself by ±{same.half_width:.1f} ms, "
            f"and the limit is {limit:g} ms"
        )
    return ""
