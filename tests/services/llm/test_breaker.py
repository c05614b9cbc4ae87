"""Who fails is left alone for a while, and then tried by one request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.llm.breaker import CLOSED, Breaker, Rules, asked, failed, left, state

RULES = Rules(failures=3, open_s=5.0, most_open_s=60.0)


def after(*times_s: float) -> Breaker:
    """What is known after failures at these times."""
    known = CLOSED
    for now_s in times_s:
        known = failed(known, now_s, RULES)
    return known


def test_a_failure_now_and_then_leaves_nobody_alone() -> None:
    """Two in a row are bad luck; the third is a pattern."""
    assert state(after(1.0, 2.0), 2.0) == "closed"
    assert state(after(1.0, 2.0, 3.0), 3.0) == "open"


def test_after_the_pause_one_request_tries() -> None:
    """The others go on leaving it alone until that one has its answer."""
    known = after(1.0, 2.0, 3.0)

    assert state(known, 7.9) == "open"
    assert state(known, 8.0) == "due"
    trying = asked(known, 8.0)
    assert state(trying, 9.0) == "open"
    assert state(left(trying), 9.0) == "due"


def test_a_trial_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    """A provider that is away for an hour costs a turn its deadline once a minute, no more."""
    known, now_s, pauses_s = after(0.0, 0.0, 0.0), 0.0, []
    for _ in range(6):
        pauses_s.append(known.until_s - now_s)
        now_s = known.until_s
        known = failed(asked(known, now_s), now_s, RULES)

    assert pauses_s == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_who_asks_for_a_pause_gets_it_at_once() -> None:
    """``Retry-After`` counts from the first refusal, also beyond our own bound."""
    known = failed(CLOSED, 10.0, RULES, pause_s=90.0)

    assert state(known, 99.0) == "open"
    assert state(known, 100.0) == "due"


def test_who_asks_for_a_pause_without_end_is_tried_after_a_quarter_of_an_hour() -> None:
    """A wrong header, or a clock in milliseconds, takes nobody away for good."""
    for pause_s in (1e9, float("inf")):
        known = failed(CLOSED, 10.0, Rules(), pause_s=pause_s)

        assert state(known, 909.0) == "open"
        assert state(known, 910.0) == "due"


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["failed", "asked", "left"]))))
def test_it_is_never_left_alone_for_longer_than_the_rules_say(
    steps: list[tuple[float, str]],
) -> None:
    """Whatever happens in whatever order, the pause from the last failure is bounded."""
    known, now_s = CLOSED, 0.0
    for pause_s, step in steps:
        now_s += pause_s
        match step:
            case "failed":
                known = failed(known, now_s, RULES)
            case "asked":
                known = asked(known, now_s)
            case _:
                known = left(known)

    assert known.until_s <= now_s + RULES.most_open_s
    assert state(left(known), now_s + RULES.most_open_s) != "open"
