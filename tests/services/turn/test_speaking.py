"""Whether the caller speaks."""

from __future__ import annotations

from schemas.failure import Failure
from schemas.settings import SessionSettings, Silence
from schemas.turn import TurnStarted
from services.turn.deadlines import Deadlines
from services.turn.speaking import SPEECH_DUE, Speaking
from tests.services.turn.scenes import (
    answered,
    chat,
    clause,
    fed,
    final,
    generated,
    names,
    of,
    pause,
    played,
    speech,
    spoken,
    uttered,
)

BROKEN = Failure(
    stage="stt", code="engine_error", message="the recogniser failed", retryable=True, turn=0
)


def test_a_final_ends_the_speech_that_it_covers() -> None:
    """Not that of the next utterance, which may have begun when the text comes."""
    speaking = Speaking(Deadlines())
    speaking.begin(100, 0)
    speaking.end_with(final("one", 1))
    assert not speaking

    speaking.begin(1_100, 0)
    speaking.end_with(final("one", 1))
    assert speaking


def test_late_news_of_speech_that_is_over_is_no_speech() -> None:
    """Subjects may overtake each other."""
    speaking = Speaking(Deadlines())
    speaking.end_with(final("one", 1))
    speaking.begin(100, 0)

    assert not speaking


def test_nobody_speaks_for_ever() -> None:
    """Whoever should have told of the end is gone: what was said before is answered."""
    deadlines = Deadlines()
    Speaking(deadlines).begin(0, 1_000)
    assert deadlines.next_ms == 36_000
    assert deadlines.take_due(36_000) == SPEECH_DUE

    conversation = fed(speech(1), speech(2))
    assert conversation.step(final("one", 1), 0) == ()
    assert chat(conversation.tick(40_000)) == [("user", "one")]


def test_who_goes_on_before_the_text_is_there_is_answered_once() -> None:
    """The next utterance began while the first was recognised: both are one turn."""
    conversation = fed(speech(1), pause(1), speech(2))

    assert conversation.step(final("one", 1), 0) == ()
    assert conversation.step(pause(2), 0) == ()
    assert chat(conversation.step(final("two", 2), 0)) == [("user", "one two")]


def test_a_noise_behind_the_words_delays_their_answer_only() -> None:
    """It has no words; what was said before it is answered then."""
    conversation = fed(speech(1), pause(1), speech(2))
    conversation.step(final("one", 1), 0)

    assert chat(conversation.step(final("", 2), 0)) == [("user", "one")]


def test_no_prompt_is_said_over_the_caller() -> None:
    """The reply was interrupted, and ends while the caller still speaks."""
    persona = of(SessionSettings(silence=Silence(prompt="Hello?", prompt_after_s=5)))
    conversation = fed(
        final("hello", 1),
        clause(1, 0, "One two, three four."),
        generated(1, "One two, three four."),
        uttered(1, 0, "One two, three four.", 0),
        spoken(1),
        speech(2),
        final("wait", 2),
        speech(3),
        played(1),
        persona=persona,
    )

    assert conversation.tick(10_000) == ()


def test_words_that_nobody_understood_give_the_floor_back() -> None:
    """The recogniser failed: the paused reply goes on."""
    conversation = fed(
        final("hello", 1),
        clause(1, 0, "One two, three four."),
        generated(1, "One two, three four."),
        uttered(1, 0, "One two, three four.", 0),
        speech(2),
    )

    assert names(conversation.step(BROKEN, 0)) == ["ReplyResumed"]


def test_words_before_a_failure_are_answered() -> None:
    """The last part of a long utterance was not understood; the first one was."""
    conversation = fed(speech(1), final("one", 1, cause="length"), speech(2))

    assert chat(conversation.step(BROKEN, 0)) == [("user", "one")]


def test_after_a_failure_silence_is_silence_again() -> None:
    """Prompts come as if nothing had been said."""
    persona = of(SessionSettings(silence=Silence(prompt="Hello?", prompt_after_s=5)))
    conversation = fed(*answered(), persona=persona)
    conversation.step(speech(2), 0)
    conversation.step(BROKEN, 0)

    (begun,) = [event for event in conversation.tick(6_000) if isinstance(event, TurnStarted)]
    assert begun.said == "Hello?"
