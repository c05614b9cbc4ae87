"""Who has how much of the edge."""

from __future__ import annotations

import pytest

from edge.budgets import UNLIMITED, Budgets, Left, Meter, is_loopback, network_of
from voicebus.errors import LimitReached
from voicebus.keys import Allowance


def refusal(error: pytest.ExceptionInfo[LimitReached]) -> tuple[str, float]:
    """What was too much, and when to come again."""
    return error.value.reason, round(error.value.retry_after_s, 3)


def test_each_share_has_its_name_and_its_time() -> None:
    """Whoever is refused knows what to do less of, and until when."""
    meter = Meter(
        Allowance(sessions=1, connections_per_min=2, turns_per_min=1, tokens_per_min=60), "x"
    )
    meter.open_session()
    meter.connect(0.0)
    meter.connect(0.0)
    meter.begin_turn(0.0)

    with pytest.raises(LimitReached) as sessions:
        meter.open_session()
    with pytest.raises(LimitReached) as connections:
        meter.connect(0.0)
    with pytest.raises(LimitReached) as turns:
        meter.begin_turn(0.0)
    meter.spend_tokens(90, 60.0)
    with pytest.raises(LimitReached) as tokens:
        meter.begin_turn(60.0)

    assert refusal(sessions) == ("too_many_sessions", 5.0)
    assert refusal(connections) == ("too_many_connections", 30.0)
    assert refusal(turns) == ("too_many_turns", 60.0)
    assert refusal(tokens) == ("too_many_tokens", 30.0)
    assert sessions.value.retryable


def test_who_was_refused_has_used_up_nothing() -> None:
    """Asking again too early costs nothing: the time that was named holds."""
    meter = Meter(Allowance(turns_per_min=1), "x")
    meter.begin_turn(0.0)
    for _ in range(5):
        with pytest.raises(LimitReached):
            meter.begin_turn(30.0)

    meter.begin_turn(60.0)


def test_no_limits_are_none() -> None:
    """The machine's own callers."""
    meter = Meter(UNLIMITED, "x")
    for _ in range(10_000):
        meter.connect(0.0)
        meter.open_session()
        meter.begin_turn(0.0)
        meter.spend_tokens(100, 0.0)

    assert meter.hear(1e6, 0.0) == 0.0


def test_callers_are_counted_apart_and_forgotten() -> None:
    """One caller's use is not another's; memory is not kept of who is gone."""
    budgets, share = Budgets(), Allowance(connections_per_min=1, sessions=1)
    budgets.of("a", share, "x", 0.0).connect(0.0)
    budgets.of("b", share, "x", 0.0).connect(0.0)
    with pytest.raises(LimitReached):
        budgets.of("a", share, "x", 1.0).connect(1.0)
    budgets.of("b", share, "x", 1.0).open_session()

    budgets.of("c", share, "x", 200.0)
    assert len(budgets) == 2  # b has a session


def test_another_share_counts_at_once_and_keeps_the_sessions() -> None:
    """A key whose limits are changed does not get its running sessions for nothing."""
    budgets = Budgets()
    meter = budgets.of("a", Allowance(sessions=2), "x", 0.0)
    meter.open_session()
    same = budgets.of("a", Allowance(sessions=1), "x", 0.0)

    with pytest.raises(LimitReached):
        same.open_session()
    meter.sessions -= 1
    same.open_session()


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_an_address_is_what_one_machine_has(host: str, network: str) -> None:
    """A machine has a /64 of IPv6 to choose from."""
    assert network_of(host) == network


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(host: str, is_ours: bool) -> None:
    """Nothing that only looks like it."""
    assert is_loopback(host) is is_ours


def test_what_is_left_is_told_where_there_is_a_limit() -> None:
    """Half of the turns, and all of the tokens; then again all of the turns."""
    meter = Meter(Allowance(turns_per_min=2, tokens_per_min=60), "x")
    meter.begin_turn(0.0)

    first, later = meter.left(0.0), meter.left(60.0)

    assert first == {"requests": Left(2, 1.0, 30.0), "tokens": Left(60, 60.0, 0.0)}
    assert later["requests"] == Left(2, 2.0, 0.0)
    assert Meter(UNLIMITED, "x").left(0.0) == {}
