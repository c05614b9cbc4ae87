"""The age of the oldest job that nobody has yet, from counts alone."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from voicebus.failover.queue import Queue


def test_it_ages_until_it_is_delivered() -> None:
    """And so does the next one behind it, from when it came."""
    queue = Queue()

    assert queue.look(0, 5, 0.0) == 0.0
    assert queue.look(1, 5, 1.0) == 0.0
    assert queue.look(1, 5, 4.0) == 3.0
    assert queue.look(2, 5, 5.0) == 4.0
    assert queue.look(1, 6, 7.0) == 2.0
    assert queue.look(0, 7, 8.0) == 0.0


def test_what_others_of_the_stage_are_given_meanwhile_makes_nobody_younger() -> None:
    """Ten jobs a second come and go: nobody waits for longer than it takes to work off three."""
    queue = Queue()
    for second in range(100):
        age_s = queue.look(3, 10 * second, float(second))
        assert age_s <= 1.0


def test_counting_that_begins_anew_makes_nobody_younger() -> None:
    """As when the consumer was made anew, or jobs in the queue were dropped."""
    queue = Queue()
    queue.look(3, 1_000, 10.0)
    queue.look(4, 1_000, 20.0)

    assert queue.look(2, 0, 30.0) == 20.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60))
def test_it_is_the_age_of_the_first_in_the_line(steps: list[tuple[int, int]]) -> None:
    """Whatever comes and goes between two looks, to the second."""
    queue, line, delivered = Queue(), deque[int](), 0
    for second, (come, gone) in enumerate(steps):
        line.extend([second] * come)
        for _ in range(min(gone, len(line))):
            line.popleft()
            delivered += 1

        age_s = queue.look(len(line), delivered, float(second))

        assert age_s == (second - line[0] if line else 0.0)
