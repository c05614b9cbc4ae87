from __future__ import annotations

import pytest

from services.stt.endpointing import WINDOW_SAMPLES, Endpointer, EndpointingSettings
from tests.services.stt.test_endpointing import QUIET, SPEECH, ended, kinds, run


@pytest.mark.parametrize("asked_after", [8, 15])
def test_a_hold_can_be_set_for_one_pause(asked_after: int) -> None:
    """The pause ends the utterance once it is as long as asked; at once, if it is already."""
    endpointer = Endpointer(EndpointingSettings(end_pause_ms=1_200))
    run(endpointer, (SPEECH, 20), (QUIET, asked_after))

    events = [*endpointer.hold(400), *run(endpointer, (QUIET, 10))]

    (end,) = ended(events)
    expected = max(400 * 16, (asked_after + 1) * WINDOW_SAMPLES)
    assert expected <= end.decided_sample - end.end_sample < expected + WINDOW_SAMPLES


def test_the_next_pause_has_the_usual_hold_again() -> None:
    """What was judged of one pause says nothing about the next."""
    endpointer = Endpointer(EndpointingSettings(end_pause_ms=1_200))
    run(endpointer, (SPEECH, 20), (QUIET, 8))
    endpointer.hold(400)

    assert ended(run(endpointer, (SPEECH, 10), (QUIET, 30))) == []


def test_a_hold_without_an_announced_pause_is_void() -> None:
    """A judgement that comes too late changes nothing."""
    endpointer = Endpointer(EndpointingSettings(end_pause_ms=1_200))
    run(endpointer, (SPEECH, 20), (QUIET, 2))

    assert endpointer.hold(1) == ()
    assert ended(run(endpointer, (QUIET, 10))) == []


def test_rising_speech_keeps_a_pause_from_ending() -> None:
    """Nobody is cut off by a judgement that comes with the first sound of the next word."""
    endpointer = Endpointer(EndpointingSettings(end_pause_ms=1_200))
    run(endpointer, (SPEECH, 20), (QUIET, 15), (SPEECH, 1))

    assert endpointer.hold(400) == ()
    assert kinds(run(endpointer, (SPEECH, 1))) == ["SpeechResumed"]


@pytest.mark.parametrize(("stalled_ms", "ends"), [(500, 0), (1_000, 1), (3_000, 1)])
def test_where_no_audio_comes_the_pause_goes_on(stalled_ms: int, ends: int) -> None:
    """A client that sends nothing while nobody speaks is answered all the same."""
    endpointer = Endpointer(EndpointingSettings(end_pause_ms=1_200))
    run(endpointer, (SPEECH, 20), (QUIET, 10))

    assert len(ended([*endpointer.stall(stalled_ms)])) == ends


def test_audio_that_stops_within_a_word_is_waited_for() -> None:
    """The connection may be bad; what comes after a long wait belongs to another utterance."""
    endpointer = Endpointer(EndpointingSettings(end_pause_ms=1_200))
    run(endpointer, (SPEECH, 20))

    assert endpointer.stall(2_500) == ()
    (end,) = ended([*endpointer.stall(3_000)])
    assert (end.cause, end.end_sample) == ("forced", 20 * WINDOW_SAMPLES)
    assert kinds(run(endpointer, (SPEECH, 20))) == ["SpeechStarted"]
    assert Endpointer(EndpointingSettings()).stall(3_000) == ()
