from __future__ import annotations

import pytest

from services.stt.endpointing import WINDOW_SAMPLES, Endpointer, EndpointingSettings
from services.stt.marks import (
    Mark,
    PauseStarted,
    SpeechResumed,
    SpeechStarted,
    UtteranceEnded,
)

SPEECH, BETWEEN, QUIET = 0.9, 0.42, 0.05


def run(endpointer: Endpointer, *stretches: tuple[float, int]) -> list[Mark]:
    """Push stretches of (probability, number of windows)."""
    events: list[Mark] = []
    for probability, count in stretches:
        for _ in range(count):
            events += endpointer.push(probability)
    return events


def kinds(events: list[Mark]) -> list[str]:
    """Name the events' classes."""
    return [type(event).__name__ for event in events]


def ended(events: list[Mark]) -> list[UtteranceEnded]:
    """Pick the ends."""
    return [event for event in events if isinstance(event, UtteranceEnded)]


def test_quiet_gives_no_events() -> None:
    """Silence is not an utterance, however long it is."""
    assert run(Endpointer(EndpointingSettings()), (QUIET, 5_000)) == []


def test_an_utterance_is_started_paused_and_ended_in_this_order() -> None:
    """Speech followed by quiet gives one start, one soft pause and one end."""
    events = run(Endpointer(EndpointingSettings()), (QUIET, 20), (SPEECH, 30), (QUIET, 40))

    assert kinds(events) == ["SpeechStarted", "PauseStarted", "UtteranceEnded"]


def test_a_start_names_the_first_speech_and_the_padding_before_it() -> None:
    """The utterance begins pad_ms before the first window of speech."""
    events = run(Endpointer(EndpointingSettings(pad_ms=200)), (QUIET, 20), (SPEECH, 30))

    speech = 20 * WINDOW_SAMPLES
    assert events == [SpeechStarted(start_sample=speech - 3_200, speech_sample=speech)]


def test_padding_does_not_reach_before_the_first_sample() -> None:
    """A session that begins with speech has no audio to pad with."""
    events = run(Endpointer(EndpointingSettings()), (SPEECH, 10))

    assert events == [SpeechStarted(0, 0)]


def test_a_worker_that_takes_over_counts_from_its_first_sample() -> None:
    """Times are the session's, and nothing before the takeover's sample is claimed."""
    events = run(Endpointer(EndpointingSettings(), sample=48_000), (SPEECH, 10))

    assert events == [SpeechStarted(48_000, 48_000)]


@pytest.mark.parametrize(("windows", "starts"), [(1, 0), (2, 0), (3, 1), (4, 1)])
def test_a_click_starts_nothing(windows: int, starts: int) -> None:
    """Less than about 100 ms of speech is no utterance."""
    events = run(Endpointer(EndpointingSettings()), (QUIET, 9), (SPEECH, windows), (QUIET, 9))

    assert sum(isinstance(event, SpeechStarted) for event in events) == starts


def test_doubt_does_not_start_but_sustains() -> None:
    """Between the thresholds nothing starts, and what runs goes on."""
    assert run(Endpointer(EndpointingSettings()), (BETWEEN, 100)) == []

    events = run(Endpointer(EndpointingSettings()), (SPEECH, 5), (BETWEEN, 100))
    assert kinds(events) == ["SpeechStarted"]


def test_doubt_does_not_break_a_pause() -> None:
    """Once quiet, only a probability of threshold_on counts as speech again."""
    events = run(Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, 1), (BETWEEN, 40))

    assert kinds(events) == ["SpeechStarted", "PauseStarted", "UtteranceEnded"]


def test_the_end_is_the_last_speech_and_not_the_decision() -> None:
    """end_sample takes the detector's smear back; the hold is the distance to the decision."""
    events = run(Endpointer(EndpointingSettings(end_pause_ms=600)), (SPEECH, 20), (QUIET, 40))

    (end,) = ended(events)
    assert end.end_sample == 19 * WINDOW_SAMPLES
    assert 9_600 <= end.decided_sample - end.end_sample < 9_600 + WINDOW_SAMPLES
    assert end.cause == "pause"


def test_the_soft_pause_comes_first_and_says_what_the_end_will_say() -> None:
    """What was recognised at the soft pause is the final when nobody speaks again."""
    events = run(Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, 40))

    _, pause, end = events
    assert isinstance(pause, PauseStarted)
    assert isinstance(end, UtteranceEnded)
    assert (pause.start_sample, pause.end_sample) == (end.start_sample, end.end_sample)
    assert pause.speech_ms == end.speech_ms
    assert 3_200 <= pause.decided_sample - pause.end_sample < 3_200 + WINDOW_SAMPLES


def test_speech_in_the_pause_goes_on_with_the_same_utterance() -> None:
    """A pause shorter than the hold does not end the utterance."""
    events = run(
        Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, 12), (SPEECH, 20), (QUIET, 40)
    )

    assert kinds(events) == [
        "SpeechStarted",
        "PauseStarted",
        "SpeechResumed",
        "PauseStarted",
        "UtteranceEnded",
    ]
    assert events[2] == SpeechResumed(32 * WINDOW_SAMPLES, end_sample=19 * WINDOW_SAMPLES)
    assert ended(events)[0].start_sample == 0


def test_a_short_gap_between_words_is_not_announced() -> None:
    """A gap below the soft pause gives neither a pause nor a resumption."""
    events = run(Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, 4), (SPEECH, 20))

    assert kinds(events) == ["SpeechStarted"]


def test_a_click_in_the_pause_neither_resumes_nor_moves_the_end() -> None:
    """One loud window in the hold leaves the end where it was."""
    still = run(Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, 40))
    click = run(
        Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, 10), (SPEECH, 1), (QUIET, 29)
    )

    assert click == still


def test_speech_that_begins_at_the_last_moment_of_the_hold_is_not_cut_off() -> None:
    """While speech is rising the utterance is not ended."""
    hold = next(
        count
        for count in range(1, 40)
        if ended(run(Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, count)))
    )

    events = run(Endpointer(EndpointingSettings()), (SPEECH, 20), (QUIET, hold - 1), (SPEECH, 10))
    assert kinds(events) == ["SpeechStarted", "PauseStarted", "SpeechResumed"]


def test_the_next_padding_does_not_reach_into_the_utterance_before() -> None:
    """Two utterances close to each other do not share speech."""
    settings = EndpointingSettings(pad_ms=1_000, end_pause_ms=300)
    events = run(Endpointer(settings), (SPEECH, 20), (QUIET, 10), (SPEECH, 10), (QUIET, 20))

    first, second = ended(events)
    assert second.start_sample == first.end_sample


def test_speech_ms_counts_speech_only() -> None:
    """Padding and pauses are not speech."""
    events = run(Endpointer(EndpointingSettings()), (QUIET, 20), (SPEECH, 26), (QUIET, 40))

    assert ended(events)[0].speech_ms == 25 * 32


def test_a_long_utterance_is_split_at_the_quietest_recent_point() -> None:
    """Speech without a pause is cut where it is least like speech, and no sample is lost."""
    endpointer = Endpointer(EndpointingSettings(max_utterance_ms=10_000))
    events = run(endpointer, (SPEECH, 250), (0.4, 3), (SPEECH, 100))

    assert kinds(events) == ["SpeechStarted", "UtteranceEnded", "SpeechStarted"]
    (end,) = ended(events)
    assert end.cause == "length"
    assert end.end_sample == 251 * WINDOW_SAMPLES
    assert events[2] == SpeechStarted(end.end_sample, end.end_sample)


def test_an_old_quiet_point_is_not_taken() -> None:
    """The cut is searched in the last 8 s: the first part stays long enough to be understood."""
    endpointer = Endpointer(EndpointingSettings(max_utterance_ms=20_000))
    events = run(endpointer, (SPEECH, 50), (0.4, 3), (SPEECH, 600))

    assert ended(events)[0].end_sample >= (20_000 - 8_100) * 16


def test_a_pause_at_the_limit_is_waited_out() -> None:
    """Who falls silent in time has finished, not been split: no more need come for an answer."""
    settings = EndpointingSettings(max_utterance_ms=2_000, end_pause_ms=1_500)
    events = run(Endpointer(settings), (SPEECH, 50), (QUIET, 100))

    assert kinds(events) == ["SpeechStarted", "PauseStarted", "UtteranceEnded"]
    assert ended(events)[0].cause == "pause"


def test_who_goes_on_after_the_limit_is_split_in_the_pause() -> None:
    """The pause is the best place to split at, and the rest is an utterance of its own."""
    settings = EndpointingSettings(max_utterance_ms=2_000, end_pause_ms=1_500)
    events = run(Endpointer(settings), (SPEECH, 50), (QUIET, 30), (SPEECH, 10), (QUIET, 100))

    assert kinds(events) == [
        *("SpeechStarted", "PauseStarted", "UtteranceEnded"),
        *("SpeechStarted", "PauseStarted", "UtteranceEnded"),
    ]
    first, second = ended(events)
    assert (first.cause, second.cause) == ("length", "pause")
    assert first.end_sample == 49 * WINDOW_SAMPLES
    assert second.speech_sample == 80 * WINDOW_SAMPLES
    assert second.start_sample >= first.end_sample


def test_an_engine_is_never_given_more_than_it_takes() -> None:
    """One hour of unbroken speech gives utterances of at most 29 s that follow each other."""
    ends = ended(run(Endpointer(EndpointingSettings()), (SPEECH, 112_500)))

    assert len(ends) > 120
    assert all(end.decided_sample - end.start_sample <= 29 * 16_000 for end in ends)
    starts = [end.start_sample for end in ends[1:]]
    assert starts == [end.end_sample for end in ends[:-1]]


def test_force_ends_a_running_utterance() -> None:
    """When the caller ends the audio, what was said is final at once."""
    endpointer = Endpointer(EndpointingSettings())
    run(endpointer, (SPEECH, 20))
    sample = 20 * WINDOW_SAMPLES + 100

    (end,) = endpointer.force(sample)

    assert isinstance(end, UtteranceEnded)
    assert (end.end_sample, end.decided_sample, end.cause) == (sample, sample, "forced")


def test_force_in_a_pause_keeps_the_end_of_the_speech() -> None:
    """The quiet before the caller ended the audio is not speech."""
    endpointer = Endpointer(EndpointingSettings())
    run(endpointer, (SPEECH, 20), (QUIET, 10))

    (end,) = endpointer.force(30 * WINDOW_SAMPLES)

    assert isinstance(end, UtteranceEnded)
    assert end.end_sample == 19 * WINDOW_SAMPLES


def test_force_without_speech_says_nothing() -> None:
    """There is nothing to end in silence."""
    endpointer = Endpointer(EndpointingSettings())
    run(endpointer, (QUIET, 20))

    assert endpointer.force(20 * WINDOW_SAMPLES) == ()


@pytest.mark.parametrize("before", [(SPEECH, 20), (QUIET, 20), (SPEECH, 2)])
def test_force_leaves_no_state(before: tuple[float, int]) -> None:
    """After a forced end the endpointer behaves like a new one that begins at that sample."""
    used = Endpointer(EndpointingSettings())
    run(used, before)
    used.force(11_000)
    fresh = Endpointer(EndpointingSettings(), sample=11_000)

    pattern = ((SPEECH, 2), (QUIET, 5), (SPEECH, 30), (QUIET, 40))
    assert run(used, *pattern) == run(fresh, *pattern)


def test_audio_that_may_still_be_needed_is_named() -> None:
    """keep_from never lies after what a later event points to, and silence does not pile up."""
    endpointer = Endpointer(EndpointingSettings(pad_ms=200))
    run(endpointer, (QUIET, 1_000))
    assert endpointer.keep_from == 1_000 * WINDOW_SAMPLES - 3_200

    kept = endpointer.keep_from
    (start,) = run(endpointer, (SPEECH, 3))
    assert isinstance(start, SpeechStarted)
    assert start.start_sample == kept == endpointer.keep_from == endpointer.utterance_start


def test_quiet_is_true_from_the_first_silent_window_until_speech_resumes() -> None:
    """Whoever starts work that speech would outdate can ask whether the speaker is at it."""
    endpointer = Endpointer(EndpointingSettings())
    run(endpointer, (SPEECH, 20))
    assert not endpointer.quiet

    run(endpointer, (QUIET, 1))
    assert endpointer.quiet

    run(endpointer, (SPEECH, 2))
    assert not endpointer.quiet
