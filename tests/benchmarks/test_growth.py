from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.growth import STRETCHES, Slope, slope, student

TIMES_S = np.arange(0.0, 600.0, 3.0)
PAGE_MB = 4096 / 1e6
CALL_S = (45.0, 55.0)
HUNG_UP_S = 3.0
PROCESSES = 7
RUNS = 60

Floats = NDArray[np.float64]


def noisy(mb_per_h: float, seed: int) -> Floats:
    """Memory that is taken and given back, around a straight line."""
    noise = np.random.default_rng(seed).normal(0.0, 1.0, len(TIMES_S))
    return np.asarray(50 + mb_per_h * TIMES_S / 3600 + noise, np.float64)


def paged(mb_per_h: Floats, seed: int) -> Floats:
    """Memory that is never given back: a page comes by chance, so many of them in an hour."""
    expected = mb_per_h / 3600 * np.diff(TIMES_S, prepend=TIMES_S[0]) / PAGE_MB
    pages = np.cumsum(np.random.default_rng(seed).poisson(expected))
    return np.asarray(50 + PAGE_MB * pages, np.float64)


def warming(halved_s: float) -> Floats:
    """Growth that ends: 4 MB in an hour at first, half as much after so many seconds."""
    return np.asarray(4.0 * 0.5 ** (TIMES_S / halved_s), np.float64)


def called(mb_per_h: Floats, share: float, seed: int) -> Floats:
    """Memory that each call takes as it begins; a share of that is given back when it ends."""
    chance, taken = np.random.default_rng(seed), np.zeros(len(TIMES_S))
    at_s = chance.uniform(0.0, CALL_S[1])
    while at_s < TIMES_S[-1]:
        lasts_s = chance.uniform(*CALL_S)
        stays = np.interp(at_s, TIMES_S, mb_per_h) * (np.mean(CALL_S) + HUNG_UP_S) / 3600 / PAGE_MB
        pages = chance.poisson(stays)
        back = round(pages * share / (1 - share))
        taken[at_s <= TIMES_S] += pages + back
        taken[at_s + lasts_s <= TIMES_S] -= back
        at_s += lasts_s + HUNG_UP_S
    return np.asarray(50 + PAGE_MB * taken, np.float64)


def leaks(values: Floats, among: int = PROCESSES) -> bool:
    """Whether it is found to grow."""
    found = slope(list(TIMES_S), list(values), among)
    assert found is not None
    return found.leaks


def mean_mb_per_h(runs: list[Floats]) -> float:
    """How fast they are found to grow."""
    found = [slope(list(TIMES_S), list(values), PROCESSES) for values in runs]
    return float(np.mean([each.mb_per_h for each in found if each is not None]))


@pytest.mark.parametrize("mb_per_h", [0.0, 5.0, 30.0])
def test_the_interval_holds_the_slope(mb_per_h: float) -> None:
    """In 19 of 20 runs, when one process is looked at, of either kind."""
    held = 0
    for seed in range(RUNS):
        for values in (noisy(mb_per_h, seed), paged(np.full(len(TIMES_S), mb_per_h), seed)):
            found = slope(list(TIMES_S), list(values))
            assert found is not None
            held += found.low <= mb_per_h <= found.high

    assert held / RUNS / 2 >= 0.9


@pytest.mark.parametrize("mb_per_h", [1.5, 2.3, 6.0, 30.0])
def test_pages_that_come_on_and_on_are_a_leak(mb_per_h: float) -> None:
    """However slowly: a day of it is tens of megabytes."""
    grows = np.full(len(TIMES_S), mb_per_h)

    assert sum(leaks(paged(grows, seed)) for seed in range(RUNS)) >= 0.9 * RUNS


@pytest.mark.parametrize("halved_s", [30.0, 60.0])
def test_pages_that_end_are_no_leak(halved_s: float) -> None:
    """What is written to for the first time is not lost: a line through it would say it is."""
    assert sum(leaks(paged(warming(halved_s), seed)) for seed in range(RUNS)) <= 0.1 * RUNS


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("mb_per_h", [2.0, 4.0, 6.0])
def test_a_leak_is_found_though_a_part_is_given_back(mb_per_h: float, share: float) -> None:
    """In 9 of 10 runs, wherever in a stretch its least is; and it is as fast as it is."""
    grows = np.full(len(TIMES_S), mb_per_h)
    runs = [called(grows, share, seed) for seed in range(RUNS)]

    assert sum(map(leaks, runs)) >= 0.9 * RUNS
    assert mean_mb_per_h(runs) == pytest.approx(mb_per_h, rel=0.1)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("halved_s", [30.0, 60.0])
def test_growth_that_ends_is_no_leak_though_a_part_is_given_back(
    halved_s: float, share: float
) -> None:
    """And its slope is what stayed, over the time from the first stretch to the last."""
    runs = [called(6 * warming(halved_s), share, seed) for seed in range(RUNS)]
    stayed_mb = np.mean([values[-1] - values[0] for values in runs])
    hours = TIMES_S[-1] / 3600 * (STRETCHES - 1) / STRETCHES

    assert sum(map(leaks, runs)) <= 0.1 * RUNS
    assert mean_mb_per_h(runs) == pytest.approx(stayed_mb / hours, rel=0.02)


def test_a_leak_is_found_in_memory_that_comes_and_goes() -> None:
    """It is not hidden by what is taken and given back; and without one there is none."""
    assert sum(leaks(noisy(15.0, seed)) for seed in range(RUNS)) >= 0.9 * RUNS
    assert sum(leaks(noisy(0.0, seed)) for seed in range(RUNS)) <= 0.05 * RUNS


def test_who_looks_at_more_processes_has_to_be_surer() -> None:
    """Or one of twenty that do not grow would be found to."""
    alone, among = (slope(list(TIMES_S), list(noisy(0.0, 1)), number) for number in (1, 20))

    assert alone is not None
    assert among is not None
    assert alone.mb_per_h == among.mb_per_h
    assert among.high - among.low > 1.5 * (alone.high - alone.low)


def test_samples_that_are_alike_make_nobody_surer() -> None:
    """Memory that rises for minutes and falls for minutes has no slope that is well known."""
    slow = np.sin(TIMES_S / 600 * 2 * np.pi * 1.5) + np.where(np.arange(len(TIMES_S)) % 2, 0.3, 0)

    assert not leaks(50 + slow, among=1)
    assert not leaks(50 - slow, among=1)


def test_what_never_changes_does_not_grow() -> None:
    """And what grows without any chance in it does."""
    assert slope(list(TIMES_S), [50.0] * len(TIMES_S)) == Slope(mb_per_h=0.0, low=0.0, high=0.0)
    exact = slope(list(TIMES_S), list(50 + TIMES_S / 3600))

    assert exact is not None
    assert exact.leaks
    assert msgspec.structs.astuple(exact) == pytest.approx((1.0, 1.0, 1.0))


def test_few_samples_have_no_slope() -> None:
    """Two for each stretch are the least."""
    assert slope(list(TIMES_S[:23]), [1.0] * 23) is None
    assert slope(list(TIMES_S[:24]), [1.0] * 24) is not None


@pytest.mark.parametrize(("share", "t"), [(0.95, 1.812), (0.975, 2.228), (0.995, 3.169)])
def test_students_t_is_that_of_the_tables(share: float, t: float) -> None:
    """With ten degrees of freedom."""
    assert student(share) == pytest.approx(t, abs=5e-4)
