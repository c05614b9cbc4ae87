"""Where a turn's time went, by the edge's clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.timeline import AudioClock, Stopwatch, Timeline
from schemas.stt import TranscriptDraft, TranscriptFinal
from schemas.turn import TurnStarted


def test_the_clock_knows_when_a_sample_arrived() -> None:
    """A moment of audio time arrived with the frame that holds it."""
    clock = AudioClock()
    clock.note(320, 10.0)
    clock.note(640, 10.5)

    assert [clock.at(ms) for ms in (0, 20, 21, 40, 41)] == [10.0, 10.0, 10.5, 10.5, None]


def test_the_clock_keeps_the_latest_audio_only() -> None:
    """An hour's session costs no more memory than a minute and a half."""
    clock = AudioClock()
    for number in range(10_000):
        clock.note((number + 1) * 320, float(number))

    assert clock.at(200_000) == 9_999.0
    assert clock.at(0) == 10_000 - 4096


def spans(timeline: Timeline | None, sent_s: float) -> list[tuple[str, float, float]]:
    """The stages as name, start and end."""
    assert timeline is not None
    return [(s["name"], s["start_ms"], s["end_ms"]) for s in timeline.stages(sent_s)]


def stopwatch(end_s: float) -> Stopwatch:
    """One whose caller's last sample, at a second of audio time, came at this moment."""
    clock = AudioClock()
    clock.note(16_000, end_s)
    clock.note(32_000, end_s + 1.0)
    return Stopwatch(clock)


def final(compute_ms: float, end_ms: int = 1_000) -> TranscriptFinal:
    """An utterance that ends at a second of audio time."""
    return TranscriptFinal(
        utterance=1, text="x", start_ms=0, end_ms=end_ms, end_offset=16_000, compute_ms=compute_ms
    )


DRAFT = TranscriptDraft(utterance=1, text="x", end_ms=1_000, compute_ms=150.0)


def test_what_is_done_within_the_hold_overlaps_it() -> None:
    """Recognition, model and voice worked while it was not yet certain that the turn was over."""
    watch = stopwatch(100.0)
    watch.drafted(DRAFT, 100.4)
    watch.finished(final(compute_ms=2.0), 100.798)
    timeline = watch.start(TurnStarted(text="x", speech_end_ms=1_000, speculated=True), 100.8)
    assert timeline is not None
    timeline.words_s, timeline.audio_s = 100.5, 100.6

    assert spans(timeline, 100.805) == [
        ("hold", 0.0, 800.0),
        ("stt", 250.0, 400.0),
        ("llm", 400.0, 500.0),
        ("tts", 500.0, 600.0),
        ("edge", 800.0, 805.0),
    ]
    assert timeline.response_ms(100.805) == 805.0


def test_what_takes_longer_than_the_hold_is_waited_for() -> None:
    """The edge's own share begins when both the decision and the audio are there."""
    watch = stopwatch(100.0)
    watch.drafted(DRAFT, 100.4)
    watch.finished(final(compute_ms=2.0), 100.5)
    timeline = watch.start(TurnStarted(text="x", speech_end_ms=1_000, speculated=True), 100.5)
    assert timeline is not None
    timeline.words_s, timeline.audio_s = 100.7, 100.9

    assert spans(timeline, 100.91)[-1] == ("edge", 900.0, 910.0)


@pytest.mark.parametrize("resumes", [True, False])
def test_without_speculation_the_model_begins_at_the_final(resumes: bool) -> None:
    """The hold ends where the recogniser's work after the decision begins; a draft of the same
    words, unless the caller went on, was that work.
    """
    watch = stopwatch(100.0)
    watch.drafted(DRAFT, 100.4)
    if resumes:
        watch.resumed()
    watch.finished(final(compute_ms=80.0 if resumes else 0.0), 100.7)
    timeline = watch.start(TurnStarted(text="x", speech_end_ms=1_000), 100.7)
    assert timeline is not None
    timeline.words_s, timeline.audio_s = 100.9, 101.0

    hold, stt, llm, tts, edge = spans(timeline, 101.01)
    if resumes:
        assert (hold, stt) == (("hold", 0.0, 620.0), ("stt", 620.0, 700.0))
    else:
        assert (hold, stt) == (("hold", 0.0, 700.0), ("stt", 250.0, 400.0))
    assert llm == ("llm", 700.0, 900.0)
    assert tts == ("tts", 900.0, 1000.0)
    assert edge == ("edge", 1000.0, 1010.0)


def test_a_typed_turn_has_no_ears() -> None:
    """Without speech there is neither hold nor recognition."""
    watch = Stopwatch(AudioClock())
    watch.finished(final(compute_ms=5.0), 1.0)
    watch.typed(5.0)
    timeline = watch.start(TurnStarted(text="x", typed=True), 5.05)
    assert timeline is not None
    timeline.words_s, timeline.audio_s = 5.1, 5.2

    assert spans(timeline, 5.3) == [
        ("llm", 0.0, 100.0),
        ("tts", 100.0, 200.0),
        ("edge", 200.0, 300.0),
    ]


def test_what_was_typed_before_is_not_what_is_waited_for() -> None:
    """Each typed turn counts from its own text."""
    watch = Stopwatch(AudioClock())
    watch.typed(5.0)
    watch.start(TurnStarted(text="x", typed=True), 5.0)
    timeline = watch.start(TurnStarted(text="y", typed=True), 9.0)

    assert timeline is not None
    assert timeline.begun_s == 9.0


def test_nobody_waits_for_what_the_assistant_says_by_itself() -> None:
    """A greeting answers nothing: it has no latency."""
    assert Stopwatch(AudioClock()).start(TurnStarted(text="", said="Hello."), 1.0) is None


def test_another_utterances_final_is_not_this_turns() -> None:
    """A final that is late does not lend its time to the turn after it."""
    watch = stopwatch(100.0)
    watch.finished(final(compute_ms=80.0, end_ms=400), 99.0)
    timeline = watch.start(TurnStarted(text="x", speech_end_ms=1_000), 100.7)

    assert spans(timeline, 100.7)[:2] == [("hold", 0.0, 700.0), ("stt", 700.0, 700.0)]


moments = st.none() | st.floats(0, 100)


@given(st.tuples(moments, moments, moments, moments, moments), st.floats(0, 5_000), moments)
def test_stages_are_within_the_response(
    times: tuple[float | None, ...], stt_ms: float, sent_s: float | None
) -> None:
    """Whatever comes in whatever order, no stage ends before it begins, or outside of the whole;
    and the last one ends with the sending.
    """
    decided_s, heard_s, asked_s, words_s, audio_s = times
    timeline = Timeline(50.0, decided_s, heard_s, stt_ms, asked_s, words_s, audio_s)
    sent_s = 50.0 + (sent_s or 0.0)

    stages = spans(timeline, sent_s)

    whole_ms = timeline.response_ms(sent_s)
    assert all(0 <= start_ms <= end_ms <= whole_ms for _, start_ms, end_ms in stages)
    assert stages[-1][0] == "edge"
    assert stages[-1][2] == whole_ms
