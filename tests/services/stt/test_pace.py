from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt.pace import Pace

SPEECH_S = st.floats(0, 60)
WAITED_MS = st.floats(0, 30_000)


def test_before_data_the_bound_is_cautious() -> None:
    """A turn worker must not give up on a final because the first one is slow."""
    pace = Pace()

    assert pace.final_due_ms(2.0) >= 1_500
    assert pace.finals.quantiles() == (0.0, 0.0)


def test_the_bound_covers_99_of_100_finals() -> None:
    """Finals of the same kind as those measured come within the bound."""
    generator = np.random.default_rng(3)
    pace = Pace()
    waits = generator.gamma(4, 80, 400)
    for waited_ms in waits[:200]:
        pace.note(3.0, float(waited_ms))

    due_ms = pace.final_due_ms(3.0)

    assert np.mean(waits[200:] <= due_ms) >= 0.98
    assert due_ms <= 2 * np.percentile(waits, 99)
    p50_ms, p99_ms = pace.finals.quantiles()
    assert p50_ms < p99_ms <= due_ms


def test_one_slow_final_among_few_is_believed() -> None:
    """With little data the bound follows the slowest."""
    pace = Pace()
    pace.note(2.0, 6_000)

    assert pace.final_due_ms(2.0) > 6_000


def test_the_bound_follows_the_machine() -> None:
    """What was measured long ago on a busy machine is forgotten."""
    pace = Pace()
    for _ in range(50):
        pace.note(2.0, 5_000)
    for _ in range(300):
        pace.note(2.0, 200)

    assert pace.final_due_ms(2.0) <= 300


@given(st.lists(st.tuples(SPEECH_S, WAITED_MS), max_size=40), SPEECH_S, SPEECH_S)
def test_more_speech_is_never_due_sooner(
    finals: list[tuple[float, float]], one: float, other: float
) -> None:
    """The bound grows with the speech and stays within reason."""
    pace = Pace()
    for speech_s, waited_ms in finals:
        pace.note(speech_s, waited_ms)

    shorter, longer = sorted((one, other))

    assert 250 <= pace.final_due_ms(shorter) <= pace.final_due_ms(longer) <= 15_000


@pytest.mark.parametrize("sessions", [1, 2, 10])
def test_partials_use_a_third_of_the_machine(sessions: int) -> None:
    """The more sessions speak, the rarer are the partials of each."""
    pace = Pace()
    for _ in range(20):
        pace.note_partial(200)

    share = sessions * 200 / pace.partial_interval_ms(sessions)

    assert share == pytest.approx(1 / 3, rel=0.01)


def test_partials_of_a_fast_machine_keep_their_shortest_interval() -> None:
    """A client is not flooded because the machine could."""
    pace = Pace(partial_ms=300)
    pace.note_partial(5)

    assert pace.partial_interval_ms(1) == 300
    assert pace.partial_interval_ms(0) == 300
