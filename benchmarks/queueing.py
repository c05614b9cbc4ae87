"""Sessions that come round again and again to stages with a limited number of places. Pure.

A closed queueing network: each session thinks (speaks, listens, is silent) for a while, then goes
through the stages one after the other, waits at each for a free place, holds it for some time, and
thinks again. Sessions never leave their cell, so cells are simulated one by one.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

_WARM_SHARE: Final = 0.3
"""Of the time: the queues have not their length yet."""


class Stage(Struct, frozen=True):
    """What sessions queue for.

    Fields
        places: How many of them it serves at once.
        service_s: How long each takes, on the average.
        vary: By which part of that it is longer or shorter, at most.
    """

    places: int
    service_s: float
    vary: float = 0.0


class Waits(Struct, frozen=True):
    """What a simulation found.

    Fields
        waits_s: How long each turn waited, at all stages together.
        turns_per_s: Turns that were answered in a second.
    """

    waits_s: tuple[float, ...]
    turns_per_s: float


def simulate(
    sessions: int, think_s: float, stages: Sequence[Stage], seconds: float, seed: int = 1
) -> Waits:
    """Let sessions come round for some time.

    Args:
        sessions: How many there are.
        think_s: Average time between a turn's answer and the next turn's end; varies by a quarter.
        stages: In the order in which a turn goes through them.
        seconds: For how long; the first three tenths are not counted.
        seed: Of all that is left to chance.
    """
    chance = random.Random(seed)
    free_s = [[0.0] * stage.places for stage in stages]
    # Time, session, next stage, what was waited so far.
    coming = [(chance.uniform(0.0, think_s), session, 0, 0.0) for session in range(sessions)]
    heapq.heapify(coming)
    waits_s: list[float] = []
    while coming:
        now_s, session, place, waited_s = heapq.heappop(coming)
        if now_s > seconds:
            break
        if place == len(stages):
            if now_s > _WARM_SHARE * seconds:
                waits_s.append(waited_s)
            next_s = now_s + think_s * chance.uniform(0.75, 1.25)
            heapq.heappush(coming, (next_s, session, 0, 0.0))
            continue
        stage = stages[place]
        begins_s = max(now_s, free_s[place][0])
        ends_s = begins_s + stage.service_s * chance.uniform(1 - stage.vary, 1 + stage.vary)
        heapq.heapreplace(free_s[place], ends_s)
        heapq.heappush(coming, (ends_s, session, place + 1, waited_s + begins_s - now_s))
    return Waits(tuple(waits_s), len(waits_s) / (seconds * (1 - _WARM_SHARE)))


def places_for(
    sessions: int, think_s: float, services_s: Sequence[float], load: float
) -> list[int]:
    """Return how many places each stage needs, so that this part of them is in use."""
    turns_per_s = sessions / (think_s + sum(services_s))
    return [max(1, math.ceil(turns_per_s * service_s / load)) for service_s in services_s]
