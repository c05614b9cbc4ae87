"""What always holds of a listener, whatever is said to it and however slow its engine is."""

from __future__ import annotations

import asyncio
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.event import Event
from schemas.settings import SessionSettings
from schemas.stt import (
    AudioConsumed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from services.stt.endpointing import WINDOW_SAMPLES, Endpointer, EndpointingSettings
from services.stt.marks import Mark, UtteranceEnded
from services.stt.marks import SpeechResumed as Resumed
from tests.services.stt.ears import Recogniser, Verdicts, quiet, sound
from tests.services.stt.hearing import Heard, listening

SPOKEN = st.lists(
    st.tuples(st.sampled_from([0.06, 0.2, 0.5, 1.5]), st.sampled_from([0.04, 0.2, 0.4, 0.8, 1.4])),
    max_size=8,
)
LENGTHS = st.integers(1, 60)
LEVELS = st.sampled_from([0.02, 0.3, 0.42, 0.6, 0.95])


class Turns:
    """Checks a listener's events against each other, in the order in which they came."""

    def __init__(self) -> None:
        self.utterance = 0
        self.paused: SpeechPaused | None = None
        self.draft: TranscriptDraft | None = None
        self.finals: list[TranscriptFinal] = []

    def check(self, event: Event) -> None:
        """Take the next event in."""
        match event:
            case SpeechStarted():
                assert self.paused is None
                self.utterance += 1
            case SpeechPaused():
                assert self.paused is None
                assert event.utterance == self.utterance
                self.paused, self.draft = event, None
            case TranscriptDraft():
                # Never after its SpeechResumed or its final, and only once.
                assert self.paused is not None
                assert self.draft is None
                assert event.text
                assert (event.utterance, event.end_ms) == (self.utterance, self.paused.end_ms)
                self.draft = event
            case SpeechResumed():
                assert self.paused is not None
                assert event.utterance == self.utterance
                assert event.start_ms > self.paused.end_ms
                self.paused = self.draft = None
            case TranscriptPartial():
                assert self.paused is None
                assert 0 <= event.stable <= len(event.text)
            case TranscriptFinal():
                self.final(event)

    def final(self, final: TranscriptFinal) -> None:
        """Take a final in: it may come after the next utterance has begun."""
        assert final.utterance == len(self.finals) + 1
        if self.finals:
            assert final.start_ms >= self.finals[-1].end_ms
        self.finals.append(final)
        if self.paused is not None and final.utterance == self.paused.utterance:
            if self.draft is not None and final.end_ms == self.draft.end_ms:
                assert final.text == self.draft.text
                assert final.completion == self.draft.completion
            self.paused = self.draft = None


async def said(
    spoken: list[tuple[float, float]], engine_ms: float, verdict: float, turn_taking: str
) -> Heard:
    """Say it all to a listener and end the audio."""
    request = TranscribeRequest(settings=SessionSettings(turn_taking=turn_taking))  # type: ignore[arg-type]
    judge = Verdicts(verdict)
    async with listening(Recogniser(engine_ms), 300, request, judge=judge) as heard:
        for speech_s, pause_s in spoken:
            await heard.hear(sound(speech_s), quiet(pause_s))
        await heard.end()
    return heard


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPOKEN, st.sampled_from([0.0, 3.0, 30.0]), st.floats(0, 1))
def test_every_pause_is_resumed_or_ends_and_no_draft_outlives_it(
    spoken: list[tuple[float, float]], engine_ms: float, verdict: float
) -> None:
    """The order of events makes sense to whoever answers them."""
    heard = asyncio.run(said(spoken, engine_ms, verdict, "pause"))
    turns = Turns()

    for event in heard.events:
        turns.check(event)
    assert turns.paused is None
    assert len(turns.finals) == turns.utterance
    assert heard.events[-1] == AudioConsumed(
        end_offset=heard.samples, finals=sum(bool(final.text) for final in turns.finals)
    )


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPOKEN)
def test_where_the_caller_ends_turns_nothing_is_drafted(spoken: list[tuple[float, float]]) -> None:
    """Segments, partials and finals: nobody waits for a pause."""
    heard = asyncio.run(said(spoken, 3.0, 0.9, "manual"))

    told = {type(event) for event in heard.events}
    assert told <= {SpeechStarted, TranscriptPartial, TranscriptFinal, AudioConsumed}


def marks_of(endpointer: Endpointer, stretches: list[tuple[float, int]], seed: int) -> list[Mark]:
    """Run stretches of (probability, windows) through it, with judgements at any moment."""
    chance = random.Random(seed)
    marks: list[Mark] = []
    for level, count in stretches:
        for _ in range(count):
            marks += endpointer.push(level)
            if chance.random() < 0.2:
                marks += endpointer.hold(chance.choice([1, 200, 500, 900]))
    return marks


@given(st.lists(st.tuples(LEVELS, LENGTHS), max_size=30), st.integers(0, 1_000))
def test_every_sample_is_in_one_utterance_or_in_none(
    stretches: list[tuple[float, int]], seed: int
) -> None:
    """Audio in is audio recognised plus audio that voice detection rejected."""
    limits = EndpointingSettings(max_utterance_ms=3_000, end_pause_ms=1_200, soft_pause_ms=100)
    endpointer = Endpointer(limits)
    total = sum(count for _, count in stretches) * WINDOW_SAMPLES
    marks = [*marks_of(endpointer, stretches, seed), *endpointer.force(total)]

    ends = [mark for mark in marks if isinstance(mark, UtteranceEnded)]
    rejected, position = 0, 0
    for end in ends:
        assert position <= end.start_sample < end.end_sample <= total
        rejected += end.start_sample - position
        position = end.end_sample
    recognised = sum(end.end_sample - end.start_sample for end in ends)
    assert recognised + rejected + (total - position) == total


@given(st.lists(st.tuples(LEVELS, LENGTHS), max_size=30))
def test_loud_speech_is_never_rejected(stretches: list[tuple[float, int]]) -> None:
    """What is surely speech for long enough lies in an utterance, but for the detector's smear."""
    endpointer, position = Endpointer(EndpointingSettings()), 0
    marks: list[Mark] = []
    loud: list[tuple[int, int]] = []
    for level, count in stretches:
        begin, position = position, position + count * WINDOW_SAMPLES
        for _ in range(count):
            marks += endpointer.push(level)
        if level > 0.9 and count >= 4:
            loud.append((begin, position))
    marks += endpointer.force(position)

    ends = [mark for mark in marks if isinstance(mark, UtteranceEnded)]
    for begin, end in loud:
        inside = sum(
            max(0, min(end, found.end_sample) - max(begin, found.start_sample)) for found in ends
        )
        assert inside >= end - begin - 2 * WINDOW_SAMPLES


@given(st.lists(st.tuples(LEVELS, LENGTHS), max_size=30), st.integers(0, 1_000))
def test_an_utterance_ends_only_after_the_pause_it_was_asked_for(
    stretches: list[tuple[float, int]], seed: int
) -> None:
    """No judgement ends a turn in which somebody speaks."""
    endpointer = Endpointer(EndpointingSettings(soft_pause_ms=100, end_pause_ms=1_200))

    for mark in marks_of(endpointer, stretches, seed):
        if isinstance(mark, UtteranceEnded) and mark.cause == "pause":
            assert mark.decided_sample - mark.end_sample >= 100 * 16
        if isinstance(mark, Resumed):
            assert mark.end_sample < mark.sample
