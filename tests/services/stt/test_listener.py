"""One session's ears, from audio to transcripts, without a bus."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.stt import (
    AudioConsumed,
    SilenceHeard,
    SpeechStarted,
    TranscribeRequest,
    TranscriptFinal,
    TranscriptPartial,
)
from services.stt.engine import Hint, Recognition
from services.stt.resumption import Resumption
from tests.services.stt.ears import LoudVad, Recogniser, quiet, sound
from tests.services.stt.hearing import listening
from voicebus import metrics
from voicebus.errors import EngineError, EngineUnavailable


def early(outcome: str) -> float:
    """How often early recognitions ended so."""
    return float(metrics.STT_EARLY.labels(outcome)._value.get())


async def test_an_utterance_becomes_a_final_with_its_times() -> None:
    """When it began and ended by the audio's clock, and how long the hold was."""
    engine = Recogniser()
    async with listening(engine) as heard:
        await heard.hear(quiet(1.0), sound(1.5), quiet(1.0))

    started, final = heard.events
    assert isinstance(started, SpeechStarted)
    assert isinstance(final, TranscriptFinal)
    assert abs(started.start_ms - 1000) <= 64
    assert abs(final.start_ms - 1000) <= 64
    assert abs(final.end_ms - 2500) <= 64
    assert final.end_offset == final.end_ms * 16
    assert 600 <= final.hold_ms <= 700
    assert final.compute_ms > 0
    assert (final.utterance, final.language, final.cause) == (1, "en", "pause")
    assert final.text.startswith("synthetic utterance of ")
    assert final.synthetic


async def test_the_final_is_recognised_inside_the_hold() -> None:
    """A pause that becomes an end costs no second recognition."""
    engine, used = Recogniser(), early("used")
    async with listening(engine) as heard:
        await heard.hear(sound(1.0), quiet(1.0))

    assert len(heard.finals()) == 1
    assert len(engine.seconds) == 1
    assert early("used") == used + 1


async def test_a_speaker_who_goes_on_makes_the_early_recognition_useless() -> None:
    """One final for the whole utterance; what was recognised in the pause is dropped."""
    engine, wasted = Recogniser(), early("wasted")
    async with listening(engine) as heard:
        await heard.hear(sound(1.0), quiet(0.4), sound(1.0), quiet(1.0))

    (final,) = heard.finals()
    assert abs(final.end_ms - 2400) <= 64
    assert early("wasted") == wasted + 1
    assert engine.seconds[-1] > 2.3


async def test_partials_come_while_somebody_speaks() -> None:
    """Each replaces the one before; none comes after its final."""
    async with listening(Recogniser(), partial_ms=300) as heard:
        await heard.hear(sound(2.0), quiet(1.0))

    kinds = [type(event) for event in heard.events]
    partials = [event for event in heard.events if isinstance(event, TranscriptPartial)]
    assert len(partials) >= 2
    assert kinds[0] is SpeechStarted
    assert kinds[-1] is TranscriptFinal
    assert {partial.utterance for partial in partials} == {1}
    assert all(partial.text for partial in partials)
    ends = [partial.end_ms for partial in partials]
    assert ends == sorted(ends)
    assert all(later - sooner >= 300 for sooner, later in pairwise(ends))


async def test_a_file_has_no_partials() -> None:
    """Nobody watches it being heard."""
    request = TranscribeRequest(live=False)
    async with listening(Recogniser(), partial_ms=300, request=request) as heard:
        await heard.hear(sound(2.0), quiet(1.0))

    assert heard.of(TranscriptPartial) == []
    assert len(heard.finals()) == 1


async def test_finals_come_in_the_order_of_their_utterances() -> None:
    """However long each takes."""
    async with listening(Recogniser(recognise_ms=60)) as heard:
        for _ in range(4):
            await heard.hear(sound(0.6), quiet(0.8))

    assert [final.utterance for final in heard.finals()] == [1, 2, 3, 4]
    offsets = [final.end_offset for final in heard.finals()]
    assert offsets == sorted(offsets)


async def test_a_draft_knows_the_language_of_what_partials_agreed_on() -> None:
    """It need not be detected again; before two of them agree it is."""
    engine = Recogniser()
    async with listening(engine, partial_ms=300) as heard:
        await heard.hear(sound(0.5), quiet(0.4))
        assert {hint.language for hint in engine.hints} == {""}
        await heard.hear(quiet(0.6), sound(3.0), quiet(1.0))

    assert len(heard.of(TranscriptPartial)) >= 2
    assert engine.hints[-1].language == "en"


async def test_the_next_utterance_may_be_in_another_language() -> None:
    """Nothing of it is known before somebody has heard it."""
    engine = Recogniser()
    async with listening(engine, partial_ms=300) as heard:
        await heard.hear(sound(3.0), quiet(1.0))
        before = len(engine.hints)
        await heard.hear(sound(0.3), quiet(1.0))

    assert {hint.language for hint in engine.hints[before:]} == {""}


async def test_windows_without_a_sound_share_a_pass_until_something_sounds() -> None:
    """Nobody is heard later for it, and while somebody speaks each window is looked at at once."""
    async with listening(Recogniser()) as heard:
        assert isinstance(heard.ears.lane._vad, LoudVad)
        passes = heard.ears.lane._vad.passes
        await heard.hear(quiet(0.64))
        assert set(passes) == {4}
        await heard.hear(quiet(0.04), sound(0.02))
        waited = [*passes]
        await heard.hear(sound(0.98))
        assert isinstance(heard.events[0], SpeechStarted)
        before = len(passes)
        await heard.hear(quiet(0.3))

    assert waited[-1] == 1
    assert set(passes[before:]) == {1}


@pytest.mark.parametrize("still_s", [0.02, 0.05, 0.1])
async def test_still_windows_that_wait_are_looked_at_when_the_audio_ends(still_s: float) -> None:
    """All that was sent is dealt with."""
    async with listening(Recogniser()) as heard:
        assert isinstance(heard.ears.lane._vad, LoudVad)
        await heard.hear(quiet(still_s))
        await heard.listener.end(heard.samples)

        assert sum(heard.ears.lane._vad.passes) == -(-heard.samples // 512)
    assert heard.events == [AudioConsumed(end_offset=heard.samples, finals=0)]


async def test_long_silence_is_marked_behind_the_finals_before_it() -> None:
    """Who takes the session over need not hear it again, but all that follows."""
    async with listening(Recogniser(recognise_ms=60)) as heard:
        await heard.hear(sound(0.6), quiet(31), sound(0.6), quiet(0.8))

    kinds = [type(event) for event in heard.events]
    marks = [event.end_offset for event in heard.events if isinstance(event, SilenceHeard)]
    first, second = heard.finals()
    assert kinds.count(SilenceHeard) == 3
    assert kinds.index(TranscriptFinal) < kinds.index(SilenceHeard)
    assert first.end_offset < marks[0] < marks[1] < marks[2] <= second.start_ms * 16


async def test_the_end_of_the_audio_forces_a_final() -> None:
    """Nobody waits for a pause that will not come; then the audio is said to be consumed."""
    async with listening(Recogniser()) as heard:
        await heard.hear(sound(1.01))
        await heard.end()

    final, consumed = heard.events[-2:]
    assert isinstance(final, TranscriptFinal)
    assert final.cause == "forced"
    assert consumed == AudioConsumed(end_offset=heard.samples, finals=1)


async def test_each_end_counts_the_finals_since_the_one_before() -> None:
    """Two streams of one session are told apart, and so is one without words."""
    async with listening(Recogniser()) as heard:
        await heard.hear(sound(0.6), quiet(0.8), sound(0.6))
        await heard.end()
        await heard.hear(quiet(0.5))
        await heard.end()
        await heard.hear(sound(0.6))
        await heard.end()

    consumed = [event for event in heard.events if isinstance(event, AudioConsumed)]
    assert [event.finals for event in consumed] == [2, 0, 1]
    assert [final.utterance for final in heard.finals()] == [1, 2, 3]


async def test_ending_nothing_is_consumed_at_once() -> None:
    """A caller who ends without a sample gets an answer."""
    async with listening(Recogniser()) as heard:
        await heard.end()

    assert heard.events == [AudioConsumed(end_offset=0, finals=0)]


async def test_a_failed_recognition_is_a_failure_and_the_next_one_works() -> None:
    """No text is made up, and the session goes on."""
    engine = Recogniser()
    engine.failures = [EngineUnavailable("the model is gone")]
    async with listening(engine) as heard:
        await heard.hear(sound(0.6), quiet(0.8), sound(0.6), quiet(0.8))
        await heard.end()

    assert [str(failure) for failure in heard.failures] == ["the model is gone"]
    assert [final.utterance for final in heard.finals()] == [2]
    assert heard.events[-1] == AudioConsumed(end_offset=heard.samples, finals=1)


async def test_a_failed_partial_concerns_nobody() -> None:
    """The final is what counts."""
    engine = Recogniser()
    engine.failures = [EngineError("a hiccup")]
    async with listening(engine, partial_ms=300) as heard:
        await heard.hear(sound(1.0), quiet(0.8))

    assert heard.failures == []
    assert len(heard.finals()) == 1


async def test_a_hallucination_is_a_final_without_words() -> None:
    """What the engine heard in noise was not said; the utterance is over all the same."""

    class Dreamer(Recogniser):
        synthetic = False

        def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
            return Recognition("Thanks for watching!", hint.language or "en", 0.1, 0.95)

    async with listening(Dreamer()) as heard:
        await heard.hear(sound(0.6), quiet(0.8))
        await heard.end()

    (final,) = heard.finals()
    assert final.text == ""
    assert heard.events[-1] == AudioConsumed(end_offset=heard.samples, finals=0)


async def test_a_takeover_goes_on_counting() -> None:
    """Utterances, samples and finals continue where the worker before stopped."""
    resumed = Resumption(start=32_000, utterance=3, finals=2)
    async with listening(Recogniser(), resumed=resumed) as heard:
        await heard.hear(quiet(0.5), sound(1.0), quiet(1.0))
        await heard.end()

    (final,) = heard.finals()
    assert final.utterance == 4
    assert abs(final.start_ms - 2500) <= 64
    assert heard.events[-1] == AudioConsumed(end_offset=heard.samples, finals=3)


@pytest.mark.parametrize("size", [1, 2, 7, 333, 100_000])
async def test_audio_may_come_in_pieces_of_any_size(size: int) -> None:
    """The same audio gives the same final."""
    pcm = quiet(0.3) + sound(0.5) + quiet(0.8)
    async with listening(Recogniser()) as heard:
        for first in range(0, len(pcm), 2 * size):
            await heard.listener.hear(pcm[first : first + 2 * size])

    (final,) = heard.finals()
    assert abs(final.start_ms - 300) <= 64
    assert abs(final.end_ms - 800) <= 64
