"""How many workers a role needs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebus.scaling import Bounds, Policy, Scaler, Scene

TICK_S = 1.0
POLICY = Policy(target=0.7, headroom=1, slack=0.3, window_s=60.0)


class Machine:
    """Workers that take some time to start, and callers who come and go."""

    def __init__(self, policy: Policy, bounds: Bounds, each: int, start_s: float) -> None:
        self.scaler = Scaler(policy, bounds)
        self.each = each
        self.start_s = start_s
        self.now_s = 0.0
        self.ready_s: list[float] = []
        self.steps: list[int] = []

    @property
    def workers(self) -> int:
        """How many there are, ready or not."""
        return len(self.ready_s)

    @property
    def slots(self) -> int:
        """How many claims those that are ready can hold."""
        return self.each * sum(at_s <= self.now_s for at_s in self.ready_s)

    def tick(self, demand: int | None, others: int = 0) -> None:
        """Let a second pass."""
        starting = sum(at_s > self.now_s for at_s in self.ready_s)
        scene = Scene(
            demand=demand,
            others=others,
            each=self.each,
            running=self.workers,
            starting=starting,
        )
        step = self.scaler.step(scene, self.now_s)
        self.steps.append(step)
        self.ready_s += [self.now_s + self.start_s] * max(0, step)
        if step < 0:
            self.ready_s.pop(0)
        self.now_s += TICK_S

    def settle(self, demand: int) -> None:
        """Let a load last until all that it takes are ready."""
        for _ in range(round(self.start_s) + 3):
            self.tick(demand)
        self.steps.clear()


def turns(steps: Sequence[int]) -> int:
    """How often the direction changes."""
    moves = [step > 0 for step in steps if step]
    return sum(a != b for a, b in itertools.pairwise(moves))


@pytest.mark.parametrize(
    ("scene", "decided"),
    [
        (Scene(demand=None), 1),
        (Scene(demand=0, each=4, running=1), 0),
        (Scene(demand=2, each=4, running=1), 0),
        (Scene(demand=3, each=4, running=1), 1),
        (Scene(demand=14, each=4, running=1), 4),
        (Scene(demand=14, each=4, running=5), 0),
        (Scene(demand=14, each=4, running=3, starting=2), 2),
        (Scene(demand=14, each=4, running=1, others=12), 1),
        (Scene(demand=14, each=4, running=1, others=20), 0),
        (Scene(demand=400, each=4, running=2), 6),
        (Scene(demand=400, each=4, running=8), 0),
        (Scene(demand=9, each=0, running=1, starting=1), 0),
        (Scene(demand=None, each=4, running=5), 0),
    ],
)
def test_it_grows_at_once_to_what_the_demand_takes(scene: Scene, decided: int) -> None:
    """Seven tenths of the slots may be in use, one is free, and workers of others count."""
    assert Scaler(POLICY, Bounds("stt", 1, 8)).step(scene, 0.0) == decided


def test_the_first_worker_of_none_says_how_much_it_takes() -> None:
    """Where there may be none, one is started for the first caller, and no second one before."""
    scaler = Scaler(Policy(headroom=0), Bounds("stt", 0, 4))

    steps = [
        scaler.step(Scene(demand=0), 0.0),
        scaler.step(Scene(demand=5), 1.0),
        scaler.step(Scene(demand=5, running=1, starting=1), 2.0),
        scaler.step(Scene(demand=5, running=1, each=2), 3.0),
    ]

    assert steps == [0, 1, 0, 3]


def test_it_shrinks_by_one_after_the_window() -> None:
    """Not before fewer were enough all the time, and not while one is still going."""
    scaler = Scaler(POLICY, Bounds("stt", 1, 8))
    at_s = {
        second: scaler.step(Scene(demand=0 if second else 8, each=4, running=3), float(second))
        for second in range(70)
    }
    going = scaler.step(Scene(demand=0, each=4, running=2, leaving=1), 70.0)
    gone = scaler.step(Scene(demand=0, each=4, running=2), 71.0)

    assert [second for second, step in at_s.items() if step] == list(range(61, 70))
    assert (at_s[61], going, gone) == (-1, 0, -1)


def test_who_hears_nothing_ends_nobody() -> None:
    """Blind, it keeps what there is; when it hears again the window begins anew."""
    scaler = Scaler(POLICY, Bounds("stt", 1, 8))
    calm = Scene(demand=0, each=4, running=3)
    before = [scaler.step(calm, float(second)) for second in range(59)]
    blind = scaler.step(Scene(demand=None, each=4, running=3), 59.0)
    after = [scaler.step(calm, 60.0 + second) for second in range(60)]

    assert {*before, blind, *after} == {0}
    assert scaler.step(calm, 120.0) == -1


def test_time_in_which_it_did_not_look_is_no_calm() -> None:
    """A machine that slept for an hour has not seen the load of that hour."""
    scaler = Scaler(POLICY, Bounds("stt", 1, 8))
    calm = Scene(demand=0, each=4, running=3)

    assert [scaler.step(calm, at_s) for at_s in (0.0, 3600.0, 3601.0)] == [0, 0, 0]


@given(
    demands=st.lists(st.none() | st.integers(0, 500), max_size=200),
    others=st.lists(st.integers(0, 60), min_size=1, max_size=20),
    least=st.integers(0, 5),
    more=st.integers(0, 10),
    each=st.integers(1, 64),
    start_s=st.floats(0.0, 60.0),
)
def test_there_are_never_more_or_fewer_than_the_bounds(
    demands: list[int | None], others: list[int], least: int, more: int, each: int, start_s: float
) -> None:
    """Whatever comes, heard or not."""
    bounds = Bounds("stt", least, least + more)
    machine = Machine(Policy(window_s=3.0), bounds, each, start_s)
    for number, demand in enumerate(demands):
        machine.tick(demand, others[number % len(others)])
        assert bounds.least <= machine.workers <= bounds.most


@given(
    low=st.integers(1, 200),
    noise=st.lists(st.floats(0.0, 1.0), min_size=20, max_size=200),
    each=st.integers(1, 64),
    target=st.floats(0.3, 1.0),
    window_s=st.floats(0.0, 10.0),
)
def test_a_load_within_the_slack_never_swings(
    low: int, noise: list[float], each: int, target: float, window_s: float
) -> None:
    """However it varies, and however short the window: nobody is ended and then started again."""
    policy = Policy(target=target, slack=0.3, window_s=window_s)
    machine = Machine(policy, Bounds("stt", 0, 1000), each, 5.0)
    for part in noise:
        machine.tick(int(low + part * (low / 0.7 - low)))

    assert machine.steps[0] > 0
    assert turns(machine.steps) == 0


def ten_noisy_minutes(policy: Policy, mean: int, seed: int) -> Machine:
    """Callers who come and go by chance, each for 20 s."""
    chance = random.Random(seed)
    machine = Machine(policy, Bounds("stt", 1, 1000), 4, 10.0)
    machine.settle(mean)
    ends_s = [chance.expovariate(1 / 20) for _ in range(mean)]
    next_s = 0.0
    for second in range(600):
        while next_s <= second:
            ends_s.append(next_s + chance.expovariate(1 / 20))
            next_s += chance.expovariate(mean / 20)
        ends_s = [end_s for end_s in ends_s if end_s > second]
        machine.tick(len(ends_s))
    return machine


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mean", [3, 20, 200])
def test_ten_minutes_of_noise_do_not_make_it_flap(mean: int, seed: int) -> None:
    """It changes its direction twice at most: it grows, finds that it was too much, and grows."""
    assert turns(ten_noisy_minutes(Policy(), mean, seed).steps) <= 2


@pytest.mark.parametrize("mean", [3, 20, 200])
def test_what_keeps_it_calm_is_window_and_slack(mean: int) -> None:
    """Without them the same noise has workers ended and started all the time."""
    restless = Policy(slack=0.0, window_s=0.0)

    assert turns(ten_noisy_minutes(restless, mean, 1).steps) > 10


def queued(load: int, _: Machine) -> int:
    """Work that waits is seen: the language model's, and speech."""
    return load


def refused(load: int, machine: Machine) -> int:
    """Callers who find no place are sent away and seen by nobody: sessions."""
    return min(load, machine.slots)


@pytest.mark.parametrize("seen", [queued, refused])
@settings(max_examples=40)
@given(
    load=st.integers(1, 300), each=st.integers(1, 64), start_s=st.floats(2 * TICK_S, 120 * TICK_S)
)
def test_twice_the_load_has_workers_within_two_start_times(
    seen: Callable[[int, Machine], int], load: int, each: int, start_s: float
) -> None:
    """From the moment in which it comes, and although an edge refuses those it has no place for."""
    machine = Machine(Policy(), Bounds("stt", 1, 10_000), each, start_s)
    machine.settle(load)
    begun_s = machine.now_s
    while machine.slots < 2 * load and machine.now_s - begun_s < 2 * start_s:
        machine.tick(seen(2 * load, machine))

    assert machine.slots >= 2 * load
