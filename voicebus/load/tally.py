"""What became of the callers: counted while it goes on, and summed up at the end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from voicebus.exchange import TurnHeard

LATE_MS: Final = 20.0
"""A frame later than its own length: the caller was no caller."""

_LATE_SHARE: Final = 0.01
_RECENT_S: Final = 10.0


class Percentiles(Struct, frozen=True, kw_only=True):
    """How long something took.

    Fields
        count: Observations.
        p50_ms: Half of them took no longer.
        p95_ms: 95 of 100.
        p99_ms: 99 of 100.
        max_ms: All of them.
    """

    count: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


class Report(Struct, frozen=True, kw_only=True):
    """What became of a load.

    Fields
        profile: How the callers behaved.
        sessions: How many there were at once.
        seconds: For how long.
        ramp_s: Time in which they came; turns begun before its end count as errors only.
        opened: Sessions that were opened.
        turns: Turns that were answered, after the ramp.
        turns_per_s: The same by the time.
        unheard: Turns in which no words were heard, or that had no sound.
        errors: How often each error was told, by its code.
        response: From the last word to the first sound, at the callers' ears.
        stages: Where that time went, as the system says it.
        send_lag: How late the latest frame of each turn left.
        unfinished: Callers who were still in a turn long after the end, and were cut off.
        synthetic: Whether synthetic engines answered.
        void: Why the figures decide nothing; empty if they do.
    """

    profile: str
    sessions: int
    seconds: float
    ramp_s: float
    opened: int = 0
    turns: int = 0
    turns_per_s: float = 0.0
    unheard: int = 0
    errors: dict[str, int] = {}
    response: Percentiles = Percentiles()
    stages: dict[str, Percentiles] = {}
    send_lag: Percentiles = Percentiles()
    unfinished: int = 0
    synthetic: bool = False
    void: tuple[str, ...] = ()


class Tally:
    """Counts. The times are the caller's.

    Args:
        counted_s: Turns that began before this are of the ramp.
    """

    def __init__(self, counted_s: float) -> None:
        self._counted_s = counted_s
        self._responses: list[tuple[float, float]] = []
        self._stages: dict[str, list[float]] = {}
        self._lags_ms: list[float] = []
        self._told: set[str] = set()
        self.errors: Counter[str] = Counter()
        self.opened = 0
        self.open = 0
        self.turns = 0
        self.unheard = 0
        self.unfinished = 0
        self.synthetic = False

    def told(self, message: Mapping[str, object]) -> None:
        """Take a message of the system: errors are counted."""
        if message["type"] == "error":
            code = str(message["code"])
            self.errors[code] += 1
            self._told.add(code)

    def failed(self, code: str) -> None:
        """Take the error with which a session ended; one that the system has told is counted."""
        if code not in self._told:
            self.errors[code] += 1
        self._told.discard(code)

    def lag(self, lag_ms: float) -> None:
        """Take how late frames left."""
        self._lags_ms.append(lag_ms)

    def heard(self, heard: TurnHeard, began_s: float, now_s: float) -> None:
        """Take a turn that is over."""
        self.lag(heard.send_lag_ms_max)
        self.synthetic |= heard.synthetic
        if began_s < self._counted_s:
            return
        if heard.response_ms is None:
            self.unheard += 1
            return
        self.turns += 1
        self._responses.append((now_s, heard.response_ms))
        for stage in heard.server_stages:
            self._stages.setdefault(stage.name, []).append(stage.end_ms - stage.start_ms)

    def recent(self, now_s: float) -> Percentiles:
        """Return how long the answers of the last ten seconds took."""
        return percentiles([ms for at_s, ms in self._responses if now_s - at_s <= _RECENT_S])

    @property
    def send_lag(self) -> Percentiles:
        """How late the latest frame of each turn left."""
        return percentiles(self._lags_ms)

    def report(self, profile: str, sessions: int, seconds: float, ramp_s: float) -> Report:
        """Sum it up.

        Args:
            profile: How the callers behaved.
            sessions: How many there were to be.
            seconds: For how long.
            ramp_s: Time in which they came.
        """
        return Report(
            profile=profile,
            sessions=sessions,
            seconds=seconds,
            ramp_s=ramp_s,
            opened=self.opened,
            turns=self.turns,
            turns_per_s=self.turns / (seconds - ramp_s) if seconds > ramp_s else 0.0,
            unheard=self.unheard,
            errors=dict(sorted(self.errors.items())),
            response=percentiles([ms for _, ms in self._responses]),
            stages={name: percentiles(times) for name, times in self._stages.items()},
            send_lag=self.send_lag,
            unfinished=self.unfinished,
            synthetic=self.synthetic,
            void=self._void(),
        )

    def _void(self) -> tuple[str, ...]:
        late = sum(lag_ms > LATE_MS for lag_ms in self._lags_ms)
        if late > _LATE_SHARE * len(self._lags_ms):
            return (
                f"the callers themselves were late: in {late} of {len(self._lags_ms)} turns a "
                f"frame left more than {LATE_MS:.0f} ms after its time",
            )
        return ()


def percentiles(values_ms: Sequence[float]) -> Percentiles:
    """Return the percentiles of times; zeros where there are none."""
    if not values_ms:
        return Percentiles()
    p50, p95, p99 = np.percentile(np.asarray(values_ms, np.float64), (50, 95, 99))
    return Percentiles(
        count=len(values_ms),
        p50_ms=round(float(p50), 1),
        p95_ms=round(float(p95), 1),
        p99_ms=round(float(p99), 1),
        max_ms=round(max(values_ms), 1),
    )
