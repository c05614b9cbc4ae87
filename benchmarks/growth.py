"""How fast a process's memory grows, and whether that can be told from not growing. Pure.

Memory comes in two kinds. Where much is taken and given back, samples scatter around a line, and
the line has the slope. Where pages come one by one and stay, what was there once is there in all
later samples: these do not scatter around anything, and a line through them would be far surer of
itself than it may be. But how much came in one stretch of time says nothing about the next one: the
slope is the mean of these steps, and it is told from none when they go on, stretch after stretch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

STRETCHES: Final = 12
"""Samples that follow each other are alike; so many stretches of them are nearly independent."""

_FREEDOM: Final = STRETCHES - 2
"""Degrees of freedom: of a line through the stretches, and of the mean of the steps between."""

_FALLS: Final = 0.5
"""What falls by more than this share of what it rises by is taken and given back."""

_HALVINGS: Final = 60
_MOST_T: Final = 1e3

Floats = NDArray[np.float64]


class Slope(Struct, frozen=True, kw_only=True):
    """Growth of a process.

    Fields
        mb_per_h: How fast.
        low: Lower end of its interval.
        high: Upper end.
    """

    mb_per_h: float
    low: float
    high: float

    @property
    def leaks(self) -> bool:
        """Whether it grows: more than can be chance."""
        return self.low > 0.0


def slope(times_s: Sequence[float], values_mb: Sequence[float], among: int = 1) -> Slope | None:
    """Return how a value grows; None with fewer than two samples for each stretch.

    Args:
        times_s: When the samples were taken.
        values_mb: The samples.
        among: How many processes are looked at. With 95 % certainty the intervals of all of them
            hold what is true (Bonferroni).
    """
    if len(times_s) < 2 * STRETCHES:
        return None
    hours, values = np.asarray(times_s) / 3600, np.asarray(values_mb, np.float64)
    changes = np.diff(values)
    rises, falls = float(changes[changes > 0].sum()), -float(changes[changes < 0].sum())
    rise, error = (_line if falls > _FALLS * rises else _steps)(hours, values)
    reach = student(1.0 - 0.025 / among) * error
    return Slope(mb_per_h=rise, low=rise - reach, high=rise + reach)


def _line(hours: Floats, values: Floats) -> tuple[float, float]:
    """Return the slope of a line through the means of the stretches, and its standard error.

    The error is that of so many means as are independent, as their distances from the line tell.
    Source: B. D. Santer et al., J. Geophys. Res. 105 (2000), 7337-7356, section 5.
    """
    x = np.array([part.mean() for part in np.array_split(hours, STRETCHES)])
    y = np.array([part.mean() for part in np.array_split(values, STRETCHES)])
    x = x - x.mean()
    spread = float(np.sum(x**2))
    rise = float(np.sum(x * y)) / spread
    left = y - y.mean() - rise * x
    whole = float(np.sum(left**2))
    alike = max(0.0, float(np.sum(left[1:] * left[:-1])) / whole) if whole else 0.0
    widened = math.sqrt((1 + alike) / (1 - alike))
    return rise, widened * math.sqrt(whole / _FREEDOM / spread)


def _steps(hours: Floats, values: Floats) -> tuple[float, float]:
    """Return the mean of the steps from stretch to stretch, and its standard error.

    Of each stretch counts the least: what comes and goes within it is no growth. A step takes as
    long as from the begin of one stretch to the begin of the next, wherever in them the least is.
    """
    parts = np.array_split(np.arange(len(values)), STRETCHES)
    steps = np.diff([values[part].min() for part in parts])
    # Not the time between the two least: these may be one sample apart, and the step is not.
    took_h = np.diff([hours[part[0]] for part in parts])
    rise = float(steps.sum() / took_h.sum())
    # What comes by chance varies the more, the longer it has been coming.
    variance = float(np.sum((steps - rise * took_h) ** 2 / took_h)) / _FREEDOM
    return rise, math.sqrt(variance / float(took_h.sum()))


def student(share: float) -> float:
    """Return below which value a share of Student's t lies, with our degrees of freedom.

    Source: M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions (1964), 26.7.4.
    """
    low, high = 0.0, _MOST_T
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle) < 2 * share - 1 else (low, middle)
    return (low + high) / 2


def _within(t: float) -> float:
    """Return the share of Student's t between -t and t."""
    angle = math.atan(t / math.sqrt(_FREEDOM))
    total = term = 1.0
    for number in range(1, _FREEDOM // 2):
        term *= (2 * number - 1) / (2 * number) * math.cos(angle) ** 2
        total += term
    return math.sin(angle) * total
