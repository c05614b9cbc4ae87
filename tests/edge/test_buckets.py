"""How much may be had in a minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.buckets import Bucket


def test_a_minutes_worth_may_be_had_at_once_and_no_more() -> None:
    """Then it is said when there will be more, and there is."""
    bucket = Bucket(60)

    assert [bucket.take(1, 0.0) for _ in range(60)] == [0.0] * 60
    assert bucket.take(1, 0.0) == pytest.approx(1.0)
    assert bucket.take(1, 0.4) == pytest.approx(0.6)
    assert bucket.take(1, 1.0) == 0.0


def test_what_was_used_up_already_is_paid_back() -> None:
    """Credit is given once; the next one waits until it is back."""
    bucket = Bucket(60)

    assert bucket.spend(90, 0.0) == pytest.approx(30.0)
    assert bucket.take(1, 30.0) == pytest.approx(1.0)
    assert bucket.take(1, 31.0) == 0.0


def test_no_limit_is_no_limit() -> None:
    """0 in a setting."""
    bucket = Bucket(0)

    assert bucket.take(1e9, 0.0) == 0.0
    assert bucket.spend(1e9, 0.0) == 0.0
    assert bucket.is_full(0.0)


def test_more_than_the_bucket_holds_is_had_when_it_is_full() -> None:
    """Nobody waits for what never comes."""
    bucket = Bucket(60, 10)

    assert bucket.take(25, 0.0) == 0.0
    assert bucket.wait_s(0.0) == pytest.approx(16.0)


@given(
    st.floats(1, 1000),
    st.lists(st.tuples(st.floats(-1, 30), st.floats(0.01, 50)), max_size=60),
)
def test_nobody_ever_has_more_than_the_rate_and_one_bucket(
    per_min: float, asked: list[tuple[float, float]]
) -> None:
    """However the requests come, and whatever the clock does."""
    bucket, at_s, latest_s, had = Bucket(per_min), 0.0, 0.0, 0.0
    for later_s, amount in asked:
        at_s += later_s
        latest_s = max(latest_s, at_s)
        wait_s = bucket.take(min(amount, per_min), at_s)
        if not wait_s:
            had += min(amount, per_min)
        assert wait_s >= 0

    begun_s = asked[0][0] if asked else 0.0
    assert had <= per_min + (latest_s - min(0.0, begun_s)) * per_min / 60 + 1e-6
