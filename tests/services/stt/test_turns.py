"""Where pauses end turns: pauses, drafts and finals of one listener."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.event import Event
from schemas.settings import EndOfTurn, SessionSettings
from schemas.stt import (
    AudioConsumed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
    Word,
)
from services.stt.engine import Hint, Recognition
from tests.services.stt.ears import Recogniser, Verdicts, quiet, sound
from tests.services.stt.hearing import Heard, listening
from voicebus.errors import EngineError, EngineUnavailable

LIVE = TranscribeRequest()


class Writer(Recogniser):
    """Writes the given texts, one per recognition and the last one for ever."""

    synthetic = False

    def __init__(self, *texts: str, confidence: float = 0.95, recognise_ms: float = 5.0) -> None:
        super().__init__(recognise_ms)
        self.texts = list(texts)
        self.confidence = confidence

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Write the next text."""
        super().recognise(samples, hint)
        text = self.texts[0] if len(self.texts) == 1 else self.texts.pop(0)
        return Recognition(text, "en", self.confidence, 0.0, (Word("x", 100, 200),))


def kinds(heard: Heard) -> list[type[Event]]:
    """What came, partials left out."""
    return [type(event) for event in heard.events if not isinstance(event, TranscriptPartial)]


async def test_a_turn_is_paused_drafted_and_final() -> None:
    """The draft comes inside the hold, and the final says the same."""
    async with listening(Writer("Yes."), request=LIVE, judge=Verdicts(0.98)) as heard:
        await heard.follow(sound(1.0), quiet(1.5))

    assert kinds(heard) == [SpeechStarted, SpeechPaused, TranscriptDraft, TranscriptFinal]
    _, paused, draft, final = heard.events
    assert isinstance(paused, SpeechPaused)
    assert isinstance(draft, TranscriptDraft)
    assert isinstance(final, TranscriptFinal)
    assert (draft.text, draft.completion) == (final.text, final.completion)
    assert paused.end_ms == draft.end_ms == final.end_ms
    assert paused.utterance == draft.utterance == final.utterance == 1
    assert paused.final_due_ms > 0
    assert 900 <= paused.speech_ms <= 1_000
    assert final.completion > 0.8


@pytest.mark.parametrize(
    ("verdict", "text", "low_ms", "high_ms"),
    [(0.98, "Yes.", 544, 576), (0.02, "and then", 1_200, 1_232)],
)
async def test_the_hold_is_as_long_as_the_turn_is_open(
    verdict: float, text: str, low_ms: int, high_ms: int
) -> None:
    """A complete turn ends soon; one that is not ends at the cap."""
    engine = Writer(text, confidence=0.95 if low_ms < 600 else 0.5)
    async with listening(engine, request=LIVE, judge=Verdicts(verdict)) as heard:
        await heard.follow(sound(1.0), quiet(1.5))

    (final,) = heard.finals()
    assert low_ms <= final.hold_ms <= high_ms


async def test_a_speaker_who_goes_on_voids_the_draft() -> None:
    """One final for the whole turn, however often its speaker paused."""
    engine = Writer("one", "one two", "one two three.")
    async with listening(engine, request=LIVE, judge=Verdicts(0.02, 0.02, 0.98)) as heard:
        await heard.follow(sound(1.0), quiet(0.7), sound(1.0), quiet(0.7), sound(1.0), quiet(1.5))

    assert kinds(heard) == [
        SpeechStarted,
        *((SpeechPaused, TranscriptDraft, SpeechResumed) * 2),
        *(SpeechPaused, TranscriptDraft, TranscriptFinal),
    ]
    drafts = [event.text for event in heard.events if isinstance(event, TranscriptDraft)]
    assert drafts == ["one", "one two", "one two three."]
    (final,) = heard.finals()
    assert final.text == "one two three."
    assert final.utterance == 1


async def test_a_draft_that_comes_too_late_is_not_told() -> None:
    """Nobody begins to answer what is no longer true."""
    engine = Writer("slow", recognise_ms=300)
    async with listening(engine, request=LIVE, judge=Verdicts(0.98)) as heard:
        await heard.hear(sound(1.0), quiet(0.3), sound(1.0))
        await heard.end()

    assert kinds(heard) == [
        *(SpeechStarted, SpeechPaused, SpeechResumed, TranscriptFinal, AudioConsumed)
    ]


async def test_a_slow_engine_holds_the_turn_no_longer_than_the_cap() -> None:
    """When the text is not there by then, the final waits for it and there is no draft."""
    engine = Writer("Yes.", recognise_ms=1_500)
    async with listening(engine, request=LIVE, judge=Verdicts(0.98)) as heard:
        await heard.hear(sound(1.0), quiet(1.5))

    assert kinds(heard) == [SpeechStarted, SpeechPaused, TranscriptFinal]
    (final,) = heard.finals()
    assert 1_200 <= final.hold_ms <= 1_232
    assert final.text == "Yes."


async def test_noise_is_paused_but_not_drafted() -> None:
    """A text that nobody spoke is no draft, and its utterance ends without words."""

    class Dreamer(Writer):
        def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
            return Recognition("Thanks for watching!", "en", 0.1, 0.95)

    async with listening(Dreamer("x"), request=LIVE, judge=Verdicts(0.9)) as heard:
        await heard.follow(sound(0.4), quiet(1.5))

    assert kinds(heard) == [SpeechStarted, SpeechPaused, TranscriptFinal]
    (final,) = heard.finals()
    assert final.text == ""
    assert final.hold_ms < 560


async def test_a_text_that_nobody_spoke_is_no_partial() -> None:
    """It would interrupt a reply that is being heard."""

    class Dreamer(Writer):
        def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
            return Recognition("Thanks for watching!", "en", 0.1, 0.95)

    async with listening(Dreamer("x"), partial_ms=300, request=LIVE) as heard:
        await heard.follow(sound(2.0), quiet(1.5))

    assert heard.of(TranscriptPartial) == []


async def test_a_judge_that_fails_leaves_it_to_the_words() -> None:
    """The turn goes on, and the draft comes all the same."""
    judge = Verdicts(EngineError("a hiccup"))
    async with listening(Writer("Yes."), request=LIVE, judge=judge) as heard:
        await heard.follow(sound(1.0), quiet(1.5))

    assert kinds(heard) == [SpeechStarted, SpeechPaused, TranscriptDraft, TranscriptFinal]
    assert heard.failures == []


async def test_a_failed_recognition_is_a_failure_and_no_draft() -> None:
    """It is said once, at the end of the turn."""
    engine = Recogniser()
    engine.failures = [EngineUnavailable("the model is gone")]
    async with listening(engine, request=LIVE) as heard:
        await heard.follow(sound(1.0), quiet(1.5), sound(1.0), quiet(1.5))

    assert [str(failure) for failure in heard.failures] == ["the model is gone"]
    assert kinds(heard) == [
        *(SpeechStarted, SpeechPaused),
        *(SpeechStarted, SpeechPaused, TranscriptDraft, TranscriptFinal),
    ]


async def test_the_end_of_the_audio_ends_a_paused_turn_with_its_draft() -> None:
    """What was recognised in the pause is the final."""
    engine = Writer("Yes.")
    async with listening(engine, request=LIVE, judge=Verdicts(0.1)) as heard:
        await heard.follow(sound(1.0), quiet(0.3))
        await heard.end()

    (final,) = heard.finals()
    assert final.cause == "forced"
    assert len(engine.seconds) == 1


async def test_words_have_the_times_of_the_session() -> None:
    """The engine counts from the first sample it was given."""
    settings = SessionSettings(word_times=True)
    request = TranscribeRequest(settings=settings)
    async with listening(Writer("Yes."), request=request, judge=Verdicts(0.9)) as heard:
        await heard.follow(quiet(2.0), sound(1.0), quiet(1.5))

    (final,) = heard.finals()
    (word,) = final.words
    assert abs(word.start_ms - (final.start_ms - 600 + 100)) <= 1
    assert word.end_ms - word.start_ms == 100


async def test_a_session_brings_its_own_patience() -> None:
    """Explicit limits win over the policy's."""
    settings = SessionSettings(end_of_turn=EndOfTurn(min_hold_ms=900, max_hold_ms=950))
    request = TranscribeRequest(settings=settings)
    async with listening(Writer("Yes."), request=request, judge=Verdicts(0.98)) as heard:
        await heard.follow(sound(1.0), quiet(1.5))

    (final,) = heard.finals()
    assert 900 <= final.hold_ms <= 960


async def test_the_engine_is_told_what_the_session_expects() -> None:
    """Language, allowed languages, vocabulary and word times reach every recognition."""
    hints: list[Hint] = []

    class Noting(Recogniser):
        def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
            hints.append(hint)
            return super().recognise(samples, hint)

    settings = SessionSettings(
        language="ru", languages=("ru", "en"), vocabulary="Waldo", word_times=True
    )
    async with listening(Noting(), request=TranscribeRequest(settings=settings)) as heard:
        await heard.follow(sound(1.0), quiet(1.5))

    assert set(hints) == {
        Hint(language="ru", languages=("ru", "en"), vocabulary="Waldo", word_times=True)
    }


async def test_the_judge_hears_the_turn_and_little_silence() -> None:
    """Silence makes everything sound complete: it judges at the soft pause and only there."""
    judge = Verdicts(0.1)
    async with listening(Writer("Yes."), request=LIVE, judge=judge) as heard:
        await heard.follow(sound(1.0), quiet(2.0))

    assert len(heard.finals()) == 1
    (seconds,) = judge.seconds
    assert 1.0 < seconds < 1.3


async def test_a_speaker_who_never_stops_is_split_and_goes_on() -> None:
    """Each part is final by its length; the last one ends with the turn."""
    async with listening(Recogniser(), request=LIVE) as heard:
        await heard.follow(sound(60.0), quiet(1.5))

    finals = heard.finals()
    assert [final.cause for final in finals] == ["length", "length", "pause"]
    assert [final.utterance for final in finals] == [1, 2, 3]
    assert all(later.start_ms == earlier.end_ms for earlier, later in pairwise(finals))


async def test_the_worker_learns_its_pace_from_its_finals() -> None:
    """What it promises at the next pause is what it measured."""
    engine = Writer("Yes.", recognise_ms=40)
    async with listening(engine, request=LIVE, judge=Verdicts(0.98)) as heard:
        await heard.follow(sound(0.5), quiet(1.0))

    assert heard.ears.pace.finals.quantiles()[0] >= 40


async def test_partials_are_stable_at_their_head() -> None:
    """What two recognitions in a row agree on is marked."""
    engine = Writer("we", "we will", "we will come", "We will come.")
    async with listening(engine, partial_ms=300, request=LIVE, judge=Verdicts(0.98)) as heard:
        await heard.follow(sound(4.0), quiet(1.5))

    partials = [event for event in heard.events if isinstance(event, TranscriptPartial)]
    assert [partial.text[: partial.stable] for partial in partials][:3] == ["", "we", "we will"]


async def test_a_turn_ends_although_no_more_audio_comes() -> None:
    """The client stopped sending when its caller stopped speaking."""
    async with listening(Writer("Yes."), request=LIVE, judge=Verdicts(0.02)) as heard:
        await heard.follow(sound(1.0), quiet(0.5))
        heard.listener.stall(500)
        assert heard.finals() == []
        heard.listener.stall(1_000)
        await heard.follow(sound(1.0), quiet(1.5))

    first, second = heard.finals()
    assert (first.cause, second.cause) == ("forced", "pause")
    assert second.start_ms >= 1_450
