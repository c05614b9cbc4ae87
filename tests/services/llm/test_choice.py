"""Whom to ask first."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.llm.breaker import Breaker
from services.llm.choice import Candidate, order

A, B, C = Candidate(name="a"), Candidate(name="b"), Candidate(name="c")


def changed(candidate: Candidate, **changes: Any) -> Candidate:
    """A candidate that differs."""
    fields = {name: getattr(candidate, name) for name in candidate.__struct_fields__}
    return Candidate(**fields | changes)


def test_they_are_asked_as_they_are_listed() -> None:
    """Priority is the order of the file."""
    assert order([B, A, C], now_s=0) == ("b", "a", "c")


def test_where_cheap_is_preferred_the_tier_counts_first_and_then_the_price() -> None:
    """Ours, then free ones, then by price; in a tier, an unknown price comes last."""
    listed = [
        changed(A, tier="standard", price=0.1),
        changed(B, tier="cheap"),
        changed(C, tier="cheap", price=0.2),
        Candidate(name="d", tier="free", price=0.0),
        Candidate(name="e", tier="own", price=0.0),
    ]

    assert order(listed, now_s=0, prefer="cheap") == ("e", "d", "c", "b", "a")


def test_who_is_left_alone_is_asked_last_and_the_sooner_back_the_sooner() -> None:
    """Nobody is refused as long as there is somebody to ask."""
    listed = [
        changed(A, breaker=Breaker(failures=3, until_s=9.0)),
        changed(B, breaker=Breaker(failures=3, until_s=8.0)),
        C,
    ]

    assert order(listed, now_s=5.0) == ("c", "b", "a")
    assert order(listed, now_s=8.5) == ("b", "c", "a")


def test_a_model_is_asked_for_where_it_is() -> None:
    """Another one's model is no substitute; where nobody is known to have it, all are asked."""
    listed = [A, changed(B, models=frozenset({"m"})), C]

    assert order(listed, now_s=0, model="m") == ("b",)
    assert order(listed, now_s=0, model="n") == ("a", "b", "c")


def test_who_can_go_on_with_a_begun_reply_comes_first() -> None:
    """It goes on without a seam; others must be asked from the beginning."""
    listed = [A, changed(B, continues=True), C]

    assert order(listed, now_s=0, begun=True) == ("b", "a", "c")


@given(
    st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=6), st.floats(0, 30)
)
def test_everybody_is_asked_once(known: list[tuple[float, bool]], now_s: float) -> None:
    """Whatever is known of them."""
    listed = [
        Candidate(name=str(number), breaker=Breaker(failures=3, until_s=until_s, is_tried=tried))
        for number, (until_s, tried) in enumerate(known)
    ]

    assert sorted(order(listed, now_s=now_s)) == sorted(str(n) for n in range(len(known)))
