"""Connections that end, and signs of life that stop."""

from __future__ import annotations

import pytest

from voicebus.failover.roster import BESIDE_S, PATIENT_S, QUICK_S, SILENT_S, Link, Roster

FIRST, SECOND = Link("server", 1), Link("server", 2)


def test_a_killed_process_is_gone_at_once() -> None:
    """The kernel closes its connection: nobody needs to wait."""
    roster = Roster("s", 0.0)
    roster.connected("a", FIRST)

    assert roster.disconnected("a", FIRST, "Client Closed", 1.0) == QUICK_S
    assert roster.is_gone("a", FIRST)


def test_a_worker_that_was_there_before_us_is_known_by_its_end() -> None:
    """A supervisor that has just started did not hear who connected earlier."""
    roster = Roster("s", 0.0)

    assert roster.disconnected("a", FIRST, "Client Closed", 1.0) == QUICK_S
    assert roster.is_gone("a", FIRST)


@pytest.mark.parametrize("reason", ["Stale Connection", "Slow Consumer (Pending Bytes)", "Kicked"])
def test_a_worker_that_the_server_cut_off_gets_time_to_come_back(reason: str) -> None:
    """It lives, and its claims are healthy."""
    roster = Roster("s", 0.0)
    roster.connected("a", FIRST)

    assert roster.disconnected("a", FIRST, reason, 1.0) == PATIENT_S
    roster.connected("a", SECOND)

    assert not roster.is_gone("a", FIRST)


def test_the_end_of_an_old_connection_is_no_death() -> None:
    """The new connection may be heard of first, by another server."""
    roster = Roster("s", 0.0)
    roster.connected("a", FIRST)
    roster.connected("a", SECOND)

    assert roster.disconnected("a", FIRST, "Stale Connection", 1.0) is None
    assert not roster.is_gone("a", FIRST)


def test_the_second_death_of_a_name_counts_too() -> None:
    """Who came back and died later is gone."""
    roster = Roster("s", 0.0)
    roster.connected("a", FIRST)
    roster.disconnected("a", FIRST, "Client Closed", 1.0)
    roster.connected("a", SECOND)

    assert roster.disconnected("a", SECOND, "Client Closed", 2.0) is not None
    assert roster.is_gone("a", SECOND)
    assert not roster.is_gone("a", FIRST)


def test_a_death_counts_though_the_beginning_was_missed() -> None:
    """The bus was away: who came back before us has a connection that we have not heard of."""
    roster = Roster("s", 0.0)
    roster.connected("a", FIRST)

    assert roster.disconnected("a", SECOND, "Client Closed", 1.0) is None
    roster.unlinked()

    assert roster.disconnected("a", SECOND, "Client Closed", 2.0) == QUICK_S
    assert roster.is_gone("a", SECOND)


def test_a_list_does_not_bring_back_who_has_died_since() -> None:
    """It is older than what was heard while it was made."""
    roster = Roster("s", 0.0)
    roster.disconnected("a", FIRST, "Client Closed", 1.0)
    roster.connected("b", SECOND)
    roster.listed("a", FIRST)
    roster.listed("b", FIRST)

    assert roster.is_gone("a", FIRST)
    assert roster.link("b") == SECOND
    roster.listed("c", FIRST)
    assert roster.link("c") == FIRST


def test_nobody_dies_under_anothers_name() -> None:
    """The name is what a client says; who it is, the server knows."""
    roster = Roster("s", 0.0)
    roster.connected("a", Link("server", 1, "llm"))
    forged = Link("server", 9, "edge-1")
    roster.connected("a", forged)

    assert roster.disconnected("a", forged, "Client Closed", 1.0) is None
    assert roster.disconnected("a", Link("server", 1, "llm"), "Client Closed", 2.0) is not None


def test_three_beats_of_silence_are_too_many() -> None:
    """A holder that says nothing is given up; one that beats is not."""
    roster = Roster("s", 0.0)
    roster.seen("a", 0.0)
    for tenth in range(1, int(SILENT_S * 10) + 1):
        roster.seen("b", tenth / 10)
        assert roster.silent(("a", "b"), tenth / 10) == ()

    assert roster.silent(("a", "b"), SILENT_S + 0.2) == ("a",)


def test_who_was_never_heard_is_given_as_long() -> None:
    """A supervisor that has just started does not know when they spoke last."""
    roster = Roster("s", 100.0)

    assert roster.silent(("a",), 100.5) == ()
    assert [roster.silent(("a",), 100.5 + step) for step in range(1, 7)] == [()] * 6
    assert roster.silent(("a",), 107.0) == ("a",)


def test_a_supervisor_that_slept_blames_nobody() -> None:
    """When it was stopped itself, it heard nobody for its own reasons."""
    roster = Roster("s", 0.0)
    roster.seen("a", 0.0)
    roster.silent(("a",), 0.5)

    assert roster.silent(("a",), 60.0) == ()
    assert roster.silent(("a",), 61.0) == ()


def test_a_supervisor_without_a_server_blames_nobody() -> None:
    """Nobody's sign of life could arrive."""
    roster = Roster("s", 0.0)
    roster.seen("a", 0.0)
    roster.deafened(30.0)

    assert roster.silent(("a",), 31.0) == ()


def test_only_one_of_two_supervisors_acts_at_once() -> None:
    """The second one waits; by then the claims have new owners, who keep them."""
    first, second = Roster("s1", 0.0), Roster("s2", 0.0)
    for roster in (first, second):
        for name in ("s1", "s2"):
            roster.seen_beside(name, 0.0)

    assert first.disconnected("a", FIRST, "Client Closed", 1.0) == QUICK_S
    assert second.disconnected("a", FIRST, "Client Closed", 1.0) == QUICK_S + BESIDE_S


def test_a_dead_supervisor_is_not_waited_for() -> None:
    """The next one takes its place as soon as it is gone or silent."""
    roster = Roster("s2", 0.0)
    roster.seen_beside("s1", 0.0)

    assert roster.rank(1.0) == 1
    assert roster.rank(SILENT_S + 1.0) == 0
    roster.disconnected("s1", FIRST, "Client Closed", 1.0)
    assert roster.rank(1.0) == 0


def test_those_who_left_long_ago_are_forgotten() -> None:
    """Memory does not grow with every process that ever was."""
    roster = Roster("s", 0.0)
    for number in range(50):
        roster.connected(f"gone-{number}", Link("server", number))
    roster.seen("a", 100.0)
    roster.connected("a", FIRST)

    roster.prune(100.0, 60.0)

    assert roster.link("gone-7") is None
    assert roster.link("a") == FIRST
