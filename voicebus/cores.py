"""How many threads one stage may take of a machine that all stages share."""

from __future__ import annotations

import os
from typing import Final

_MOST: Final = 4


def all_threads() -> int:
    """Return how many threads a stage may take that works while the others wait for it.

    The language model reads its prompt when recognition is done, and nobody speaks before it has.
    """
    return max(1, min(_MOST, os.cpu_count() or 1))


def spare_threads() -> int:
    """Return how many threads leave the other stages the cores that they need: half, at most 4.

    Threads of one computation wait for each other many times. One that does not get its core holds
    up all of them: on two cores of which one is busy, two of them are slower than one.
    """
    return max(1, min(_MOST, (os.cpu_count() or 1) // 2))
