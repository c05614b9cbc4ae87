"""How far each turn's audio was heard: reported, or estimated, and told exactly once."""

from __future__ import annotations

import pytest

from edge.playback import Playback
from schemas.event import Event
from schemas.session import PlaybackEnded, Played


def ended(turn: int, played_ms: int, *, estimated: bool) -> PlaybackEnded:
    """What the workers are told in the end."""
    return PlaybackEnded(turn=turn, played_ms=played_ms, estimated=estimated)


def reply(playback: Playback, turn: int, length_ms: float, at_s: float) -> None:
    """Send all of a turn's audio at once."""
    playback.begun(turn, at_s)
    playback.sent(turn, length_ms, at_s)
    playback.completed(turn, at_s)


def reporting(at_s: float = 0.0) -> Playback:
    """A client that has reported in a turn before."""
    playback = Playback()
    reply(playback, 1, 100, at_s)
    playback.heard(1, 100, at_s)
    assert playback.settle(at_s) == [ended(1, 100, estimated=False)]
    return playback


def test_a_reply_was_heard_when_the_client_says_so() -> None:
    """A report within 20 ms of the end ends it; the clock does not matter."""
    playback = reporting()
    reply(playback, 2, 2_000, 10.0)

    playback.heard(2, 1_979, 10.5)
    assert playback.settle(10.5) == [Played(turn=2, played_ms=1_979)]
    playback.heard(2, 1_981, 10.6)
    assert playback.settle(10.6) == [ended(2, 1_981, estimated=False)]
    assert playback.due_s is None


def test_a_client_that_never_reports_is_followed_by_the_clock() -> None:
    """Audio plays from when it was sent, and is over when that much time has passed."""
    playback = Playback()
    reply(playback, 1, 1_500, 3.0)

    assert playback.settle(4.0) == []
    assert playback.due_s == pytest.approx(4.5)
    assert playback.settle(4.5) == [ended(1, 1_500, estimated=True)]


def test_the_clock_waits_for_audio_that_is_late() -> None:
    """Silence between two stretches of audio is not playback."""
    playback = Playback()
    playback.begun(1, 0.0)
    playback.sent(1, 1_000, 0.0)
    playback.sent(1, 1_000, 5.0)
    playback.completed(1, 5.0)

    assert playback.due_s == pytest.approx(6.0)


def test_by_the_clock_replies_play_one_after_the_other() -> None:
    """A reply that is sent while another plays begins when that has ended."""
    playback = Playback()
    reply(playback, 1, 2_000, 0.0)
    reply(playback, 2, 1_000, 0.5)

    assert playback.settle(2.0) == [ended(1, 2_000, estimated=True)]
    playback.cut(2, 2.4)
    assert playback.settle(2.4) == [ended(2, 400, estimated=True)]


def test_the_clock_stands_still_while_the_reply_is_paused() -> None:
    """Between pause and resume nothing is heard, and nothing is due."""
    playback = Playback()
    reply(playback, 1, 1_000, 0.0)
    playback.paused(1, 0.4)
    assert playback.due_s is None
    assert playback.settle(60.0) == []

    playback.resumed(1, 60.0)
    assert playback.due_s == pytest.approx(60.6)
    playback.cut(1, 60.1)
    assert playback.settle(60.1) == [ended(1, 500, estimated=True)]


def test_a_cancellation_during_a_pause_ends_the_pause() -> None:
    """What was heard is what was heard before the pause; the next reply plays."""
    playback = Playback()
    reply(playback, 1, 1_000, 0.0)
    playback.paused(1, 0.3)
    playback.cut(1, 5.0)

    assert playback.settle(5.0) == [ended(1, 300, estimated=True)]
    reply(playback, 2, 500, 6.0)
    assert playback.due_s == pytest.approx(6.5)


def test_the_answer_to_flush_is_exact() -> None:
    """A client that reports is asked, and what it answers counts."""
    playback = reporting()
    reply(playback, 2, 5_000, 1.0)
    playback.heard(2, 1_000, 2.0)
    playback.cut(2, 2.2)

    assert playback.settle(2.2) == []
    assert playback.due_s == pytest.approx(2.5)
    playback.flushed(2, 1_234, 2.25)
    assert playback.settle(2.25) == [ended(2, 1_234, estimated=False)]


def test_without_an_answer_to_flush_the_last_report_counts() -> None:
    """Nobody waits longer than 300 ms for it, and what comes later is not counted."""
    playback = reporting()
    reply(playback, 2, 5_000, 1.0)
    playback.heard(2, 1_000, 2.0)
    playback.settle(2.0)
    playback.cut(2, 2.2)

    assert playback.settle(2.49) == []
    assert playback.settle(2.5) == [ended(2, 1_000, estimated=True)]
    playback.flushed(2, 1_234, 2.6)
    assert playback.settle(2.6) == []


@pytest.mark.parametrize("reports", [True, False])
def test_a_turn_that_was_never_heard_ends_at_nothing(reports: bool) -> None:
    """Cancelled before its first audio: 0 ms, at once, and nobody has to guess."""
    playback = reporting() if reports else Playback()
    playback.begun(2, 1.0)
    playback.cut(2, 1.1)

    assert playback.settle(1.1) == [ended(2, 0, estimated=False)]


def test_a_reply_without_audio_is_over_when_it_is_complete() -> None:
    """An empty answer was heard to its end."""
    playback = Playback()
    playback.begun(1, 0.0)
    playback.completed(1, 1.0)

    assert playback.settle(1.0) == [ended(1, 0, estimated=True)]


def test_an_interruption_in_the_first_tenth_of_a_second() -> None:
    """The client has not reported anything of this turn yet: its answer to flush counts."""
    playback = reporting()
    playback.begun(2, 1.0)
    playback.sent(2, 400, 1.0)
    playback.cut(2, 1.08)
    playback.flushed(2, 60, 1.1)

    assert playback.settle(1.1) == [ended(2, 60, estimated=False)]


@pytest.mark.parametrize("played_ms", [0.0, 1e-9, 700.0, 3_600_000.0, float("inf")])
def test_absurd_reports_are_bounded(played_ms: float) -> None:
    """Nobody heard more than was sent, nor less than before."""
    playback = reporting()
    playback.begun(2, 1.0)
    playback.sent(2, 1_000, 1.0)
    playback.heard(2, 500, 1.5)
    playback.heard(2, played_ms, 1.6)
    playback.cut(2, 1.7)
    playback.flushed(2, 0, 1.8)

    (end,) = playback.settle(1.8)
    assert isinstance(end, PlaybackEnded)
    assert end.played_ms == min(max(500, played_ms), 1_000)


def test_a_report_of_everything_ends_nothing_that_is_not_complete() -> None:
    """A client that claims an hour at once has heard what was sent, and hears the rest."""
    playback = Playback()
    playback.begun(1, 0.0)
    playback.sent(1, 1_000, 0.0)
    playback.heard(1, 3_600_000, 0.1)
    assert playback.settle(0.1) == [Played(turn=1, played_ms=1_000)]

    playback.sent(1, 1_000, 0.2)
    playback.completed(1, 0.2)
    assert playback.settle(0.5) == []
    playback.heard(1, 3_600_000, 2.0)
    assert playback.settle(2.0) == [ended(1, 2_000, estimated=False)]


def test_what_is_said_of_unknown_turns_changes_nothing() -> None:
    """Reports and answers for turns that are not, or not any more, and answers unasked for."""
    playback = Playback()
    reply(playback, 1, 1_000, 0.0)
    for turn in (0, 2, 99, 2**31):
        playback.heard(turn, 500, 0.1)
        playback.flushed(turn, 500, 0.1)
        playback.cut(turn, 0.1)
        playback.paused(turn, 0.1)
        playback.resumed(turn, 0.1)
    playback.flushed(1, 1_000, 0.2)

    assert playback.settle(0.9) == []
    assert playback.settle(1.0) == [ended(1, 1_000, estimated=True)]


def test_a_client_that_falls_silent_does_not_keep_the_turn_for_ever() -> None:
    """Five seconds after all should be over, the last report counts."""
    playback = reporting()
    reply(playback, 2, 1_000, 1.0)
    playback.heard(2, 400, 1.5)
    playback.settle(1.5)

    assert playback.due_s == pytest.approx(7.0)
    assert playback.settle(6.9) == []
    assert playback.settle(7.0) == [ended(2, 400, estimated=True)]


def test_the_workers_are_told_four_times_a_second_at_most() -> None:
    """Reports in between are joined; the latest is told when it is due."""
    playback = Playback()
    playback.begun(1, 0.0)
    playback.sent(1, 10_000, 0.0)
    told: list[tuple[int, Event]] = []
    for tick in range(1, 101):
        playback.heard(1, tick * 10, tick / 100)
        told += [(tick, event) for event in playback.settle(tick / 100)]

    assert len(told) == 4
    assert [event.played_ms for _, event in told] == [  # type: ignore[attr-defined]
        tick * 10 for tick, _ in told
    ]
    playback.heard(1, 1_005, 1.01)
    assert playback.due_s == pytest.approx(1.01 + 0.25 - 0.01 * (101 - told[-1][0]))


def test_ten_interruptions_in_a_row_are_ten_ends() -> None:
    """Every turn has its own position, however fast they follow each other."""
    playback = reporting()
    ends: list[Event] = []
    for number in range(10):
        turn, at_s = number + 2, 1.0 + number * 0.1
        playback.begun(turn, at_s)
        playback.sent(turn, 3_000, at_s)
        playback.paused(turn, at_s + 0.05)
        playback.cut(turn, at_s + 0.06)
        if number % 2:
            playback.flushed(turn, 50 + number, at_s + 0.08)
        ends += playback.settle(at_s + 0.09)
    ends += playback.settle(3.0)

    assert sorted(end.turn for end in ends) == list(range(2, 12))
    played = {end.turn: end.played_ms for end in ends if isinstance(end, PlaybackEnded)}
    assert played == {2 + n: (50 + n if n % 2 else 0) for n in range(10)}
