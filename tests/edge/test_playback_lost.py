"""What counts as heard of a reply while the client cannot be reached, and after it is back."""

from __future__ import annotations

from edge.playback import FLUSHED_S, STUCK_S, Playback
from schemas.session import PlaybackEnded, Played


def playing(sent_ms: float = 1_000.0, *, complete: bool = True) -> Playback:
    """A playback whose first turn was sent at 0 s."""
    playback = Playback()
    playback.begun(1, 0.0)
    playback.sent(1, sent_ms, 0.0)
    if complete:
        playback.completed(1, 0.0)
    return playback


def test_nothing_ends_by_the_clock_while_the_client_is_lost() -> None:
    """What was sent may not have arrived: an hour of silence proves nothing."""
    playback = playing()
    playback.lost(0.2)

    assert playback.due_s is None
    assert playback.settle(3_600.0) == []


def test_a_client_that_is_back_has_heard_what_it_had() -> None:
    """It played on with what it had received; the rest is sent anew and heard from now on."""
    playback = playing(1_000.0)
    playback.lost(0.2)
    playback.returned({1: 400.0}, 10.0)

    assert playback.settle(10.0) == []
    assert playback.settle(10.39) == []
    assert playback.settle(10.4) == [PlaybackEnded(turn=1, played_ms=1_000, estimated=True)]


def test_a_client_that_had_all_has_heard_all() -> None:
    """Nothing is sent anew, and the outage was longer than the reply."""
    playback = playing(1_000.0)
    playback.lost(0.2)
    playback.returned({}, 5.0)

    assert playback.settle(5.0) == [PlaybackEnded(turn=1, played_ms=1_000, estimated=True)]


def test_what_never_arrived_was_not_heard_although_the_clock_went_on() -> None:
    """A socket may be dead for a while before anybody knows it."""
    playback = playing(1_000.0, complete=False)
    playback.settle(0.9)
    playback.returned({1: 700.0}, 0.9)
    playback.cut(1, 0.9)

    assert playback.settle(0.9) == [PlaybackEnded(turn=1, played_ms=300, estimated=True)]


def test_a_reporting_client_gets_its_time_anew() -> None:
    """It is not stuck because nobody could hear it; its next report counts as ever."""
    playback = playing(1_000.0)
    playback.heard(1, 100.0, 0.1)
    assert playback.settle(0.1) == [Played(turn=1, played_ms=100)]
    playback.lost(0.2)
    playback.returned({}, 60.0)

    assert playback.settle(60.0 + STUCK_S - 0.1) == []
    playback.heard(1, 1_000.0, 60.0 + STUCK_S - 0.1)
    assert playback.settle(60.0 + STUCK_S) == [PlaybackEnded(turn=1, played_ms=1_000)]


def test_a_reply_that_is_given_up_meanwhile_ends_with_what_is_known() -> None:
    """The workers wait for the position: it comes, and is no more than was heard for certain."""
    reporting, silent = playing(), playing()
    reporting.heard(1, 300.0, 0.3)
    reporting.settle(0.3)
    for playback in (reporting, silent):
        playback.lost(0.4)
        playback.cut(1, 2.0)

    assert silent.settle(2.0) == [PlaybackEnded(turn=1, played_ms=400, estimated=True)]
    assert reporting.settle(2.0) == []
    assert reporting.due_s == 2.0 + FLUSHED_S
    assert reporting.settle(2.0 + FLUSHED_S) == [
        PlaybackEnded(turn=1, played_ms=300, estimated=True)
    ]


def test_a_reply_that_is_made_meanwhile_is_heard_afterwards() -> None:
    """It was not sent, so it was not heard; the clock begins when it leaves."""
    playback = Playback()
    playback.lost(0.0)
    playback.begun(1, 1.0)
    playback.returned({}, 9.0)
    playback.sent(1, 500.0, 9.0)
    playback.completed(1, 9.0)

    assert playback.settle(9.4) == []
    assert playback.settle(9.5) == [PlaybackEnded(turn=1, played_ms=500, estimated=True)]


def test_a_reply_that_was_paused_meanwhile_stands_still() -> None:
    """Whether the client went on is not known: too little heard is better than too much."""
    playback = playing(1_000.0)
    playback.lost(0.2)
    playback.paused(1, 0.3)
    playback.returned({}, 10.0)
    playback.resumed(1, 10.0)

    assert playback.settle(10.7) == []
    assert playback.settle(10.8) == [PlaybackEnded(turn=1, played_ms=1_000, estimated=True)]
