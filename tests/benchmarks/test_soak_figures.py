from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.soak_callers import Deed
from benchmarks.soak_figures import (
    ALLOWED,
    Stages,
    bars,
    figures,
    leftovers,
    slopes,
    void_reasons,
)
from benchmarks.soak_samples import BusSample, ProcessSample

STAGES = Stages(quiet_s=500.0, begun_s=520.0, ended_s=1100.0, done_s=1120.0)
TIMES_S = [float(at) for at in range(480, 1121, 5)]
NOISE = np.random.default_rng(1).normal(0, 0.3, len(TIMES_S))


def process(at_s: float, memory_mb: float = 50.0, tasks: int = 10, pid: int = 1) -> ProcessSample:
    """One process at one moment."""
    return ProcessSample(
        at_s=at_s,
        name="stt-0",
        pid=pid,
        memory_mb=memory_mb,
        descriptors=12,
        threads=4,
        tasks=tasks,
    )


def bus(at_s: float, consumers: int = 4, jobs: int = 0) -> BusSample:
    """The bus at one moment."""
    return BusSample(
        at_s=at_s,
        connections=10,
        subscriptions=40,
        consumers=consumers,
        jobs=jobs,
        messages=int(at_s) * 10,
        stream_mb=at_s / 10,
    )


def growing(mb_per_h: float) -> list[ProcessSample]:
    """A process with noise around a straight line."""
    return [
        process(at_s, 50 + mb_per_h * at_s / 3600 + noise)
        for at_s, noise in zip(TIMES_S, NOISE, strict=True)
    ]


def test_the_intervals_are_those_of_all_processes_that_are_followed() -> None:
    """Seven of them are looked at: to grow by chance each has a seventh of the chance of one."""
    seven = [
        msgspec.structs.replace(sample, name=f"stt-{number}")
        for number in range(7)
        for sample in growing(0.0)
    ]
    alone, among = slopes(growing(0.0), STAGES)["stt-0"], slopes(seven, STAGES)["stt-0"]

    assert among.mb_per_h == alone.mb_per_h
    assert among.high - among.low > 1.4 * (alone.high - alone.low)


def test_few_samples_have_no_slope() -> None:
    """And the run is void."""
    assert slopes(growing(0.0)[:20], STAGES) == {}
    assert "too short" in void_reasons([process(1.0)], [], STAGES)[0]


def test_a_process_that_was_started_anew_is_not_followed() -> None:
    """Its memory says nothing."""
    replaced = [process(at_s, pid=1 if at_s < 780 else 2) for at_s in TIMES_S]

    assert slopes(replaced, STAGES) == {}
    assert leftovers(replaced, [], STAGES) == []


def test_what_is_left_at_the_end_is_named() -> None:
    """Tasks, consumers, and jobs of callers who have left."""
    tasks = [process(at_s, tasks=10 if at_s < 780 else 10 + ALLOWED + 1) for at_s in TIMES_S]
    buses = [
        bus(at_s, consumers=4 if at_s < 780 else 5, jobs=0 if at_s < 780 else 2) for at_s in TIMES_S
    ]

    assert leftovers(tasks, buses, STAGES) == [
        "stt-0: 10 tasks before, 13 after",
        "bus: 4 consumers before, 5 after",
        "bus: 2 jobs of callers who have left",
    ]


def test_what_comes_and_goes_is_not_left() -> None:
    """A task more while a page is read, a job more for a moment, and all that calls bring."""
    tasks = [process(at_s, tasks=12 if at_s % 2 else 30) for at_s in TIMES_S]
    calls = [process(at_s, tasks=500 if 500 < at_s < 1100 else 10) for at_s in TIMES_S]
    buses = [bus(at_s, jobs=3 if 500 < at_s < 1115 else 0) for at_s in TIMES_S]

    assert leftovers(tasks, buses, STAGES) == []
    assert leftovers(calls, buses, STAGES) == []


def test_the_figures_count_what_was_served() -> None:
    """Sessions, turns and failures, beside what has leaked."""
    deeds = [
        Deed(caller=0, session="a", deed="talk", at_s=130.0, turns=1),
        Deed(caller=0, session="a", deed="interrupt", at_s=140.0, turns=2),
        Deed(caller=1, session="b", deed="type", at_s=150.0, turns=1, error="no answer"),
    ]
    found = figures(growing(30.0), [bus(at_s) for at_s in TIMES_S], deeds, STAGES)

    assert (found["sessions"], found["turns"], found["failures"]) == (2, 4, 1)
    assert found["leaks"] == 1
    assert found["stream_per_session_mb"] == pytest.approx(32.0)
    assert [bar.name for bar in bars(found) if not bar.holds] == ["leaks", "failures"]
    assert void_reasons(growing(0.0), deeds, STAGES) == []
    assert "nobody was answered" in void_reasons(growing(0.0), [], STAGES)[0]
    hasty = msgspec.structs.replace(STAGES, quiet_s=300.0)
    assert "warmed up for 300 s" in void_reasons(growing(0.0), deeds, hasty)[0]
