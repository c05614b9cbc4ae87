"""From samples of a long run to what has leaked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from benchmarks.figures import Bar
from benchmarks.growth import STRETCHES, Slope, slope
from benchmarks.soak_callers import Deed
from benchmarks.soak_samples import BusSample, ProcessSample

ALLOWED: Final = 2
"""Tasks and descriptors come and go by themselves: a beat, a question, the page that is read."""

LEAST_WARM_S: Final = 480.0
"""Memory of every process grows less and less for so long after the first caller: of pages that it
has taken some are written to for the first time, at random, whenever more is in use than before."""

_SAID_AT_MOST: Final = 3


class Stages(Struct, frozen=True, kw_only=True, tag="stages"):
    """The stages of a run, in seconds of it.

    Fields
        quiet_s: After the warm-up, when nobody called any more.
        begun_s: When the callers came back.
        ended_s: When the last one had left.
        done_s: When everything of theirs should be gone.
    """

    quiet_s: float
    begun_s: float
    ended_s: float
    done_s: float


def slopes(samples: Sequence[ProcessSample], stages: Stages) -> dict[str, Slope]:
    """Return the growth of each process that was there all the time while people called."""
    followed = _survivors(samples, stages)
    found = {}
    for name, of_it in followed.items():
        during = [s for s in of_it if stages.begun_s <= s.at_s <= stages.ended_s]
        times_s, memory_mb = [s.at_s for s in during], [s.memory_mb for s in during]
        grown = slope(times_s, memory_mb, len(followed))
        if grown is not None:
            found[name] = grown
    return found


def leftovers(
    processes: Sequence[ProcessSample], bus: Sequence[BusSample], stages: Stages
) -> list[str]:
    """Return what is there at the end, when nobody calls, and was not there before anybody did."""
    found = []
    kinds: tuple[tuple[str, Callable[[ProcessSample], int | None]], ...] = (
        ("descriptors", lambda sample: sample.descriptors),
        ("tasks", lambda sample: sample.tasks),
        ("threads", lambda sample: sample.threads),
    )
    for name, of_it in _survivors(processes, stages).items():
        for what, count in kinds:
            before = _least(of_it, count, stages.quiet_s, stages.begun_s)
            after = _least(of_it, count, stages.ended_s, stages.done_s)
            if before is not None and after is not None and after > before + ALLOWED:
                found.append(f"{name}: {before} {what} before, {after} after")
    kept: tuple[tuple[str, Callable[[BusSample], int]], ...] = (
        ("consumers", lambda sample: sample.consumers),
        ("connections", lambda sample: sample.connections),
        ("subscriptions", lambda sample: sample.subscriptions),
    )
    quiet = [s for s in bus if stages.quiet_s <= s.at_s <= stages.begun_s]
    end = [s for s in bus if stages.ended_s <= s.at_s <= stages.done_s]
    if quiet and end:
        for what, of_bus in kept:
            before, after = min(map(of_bus, quiet)), min(map(of_bus, end))
            if after > before:
                found.append(f"bus: {before} {what} before, {after} after")
        if jobs := min(sample.jobs for sample in end):
            found.append(f"bus: {jobs} jobs of callers who have left")
    return found


def figures(
    processes: Sequence[ProcessSample],
    bus: Sequence[BusSample],
    deeds: Sequence[Deed],
    stages: Stages,
) -> dict[str, float]:
    """Return what has leaked, and how much was served meanwhile."""
    grown = slopes(processes, stages)
    left = leftovers(processes, bus, stages)
    sessions = {deed.session for deed in deeds if deed.session}
    found: dict[str, float] = {
        "leaks": float(len(left) + sum(each.leaks for each in grown.values())),
        "sessions": float(len(sessions)),
        "turns": float(sum(deed.turns for deed in deeds)),
        "failures": float(sum(bool(deed.error) for deed in deeds)),
        "processes_followed": float(len(grown)),
    }
    for name, each in sorted(grown.items()):
        key = f"{name.replace('-', '_')}_growth_mb_per_h"
        found |= {key: each.mb_per_h, f"{key}_ci_low": each.low, f"{key}_ci_high": each.high}
    if sessions and len(bus) > 1:
        found["stream_per_session_mb"] = (bus[-1].stream_mb - bus[0].stream_mb) / len(sessions)
        found["messages_per_session"] = (bus[-1].messages - bus[0].messages) / len(sessions)
    return found


def bars(found: dict[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit."""
    return tuple(
        Bar(name, found[name], 0.0, "lower", found[name] <= 0.0)
        for name in ("leaks", "failures")
        if name in found
    )


def void_reasons(
    processes: Sequence[ProcessSample], deeds: Sequence[Deed], stages: Stages
) -> list[str]:
    """Return why the run decides nothing; an empty list if it does."""
    reasons = []
    if stages.quiet_s < LEAST_WARM_S:
        reasons.append(f"too short: nothing counts that was warmed up for {stages.quiet_s:.0f} s")
    if not slopes(processes, stages):
        reasons.append(f"too short: a slope takes {2 * STRETCHES} samples while people call")
    if not any(deed.turns for deed in deeds):
        said = [deed.error for deed in deeds if deed.error][:_SAID_AT_MOST]
        reasons.append(f"nobody was answered: {'; '.join(said) or 'nobody asked'}")
    return reasons


def _survivors(samples: Sequence[ProcessSample], stages: Stages) -> dict[str, list[ProcessSample]]:
    """Return the samples of processes that were there before people called, and to the end."""
    found: dict[tuple[str, int], list[ProcessSample]] = {}
    for sample in samples:
        found.setdefault((sample.name, sample.pid), []).append(sample)
    return {
        name: of_it
        for (name, _), of_it in found.items()
        if of_it[0].at_s <= stages.begun_s and of_it[-1].at_s >= stages.ended_s
    }


def _least(
    samples: Sequence[ProcessSample],
    count: Callable[[ProcessSample], int | None],
    from_s: float,
    to_s: float,
) -> int | None:
    """Return the fewest of a stretch of time: what is there only for a moment does not count."""
    counted = [count(sample) for sample in samples if from_s <= sample.at_s <= to_s]
    return min((number for number in counted if number is not None), default=None)
