"""Questions that are answered without the language model."""

from __future__ import annotations

from schemas.llm import GenerateRequest
from schemas.session import UserText
from schemas.tts import SpeakRequest
from schemas.turn import TurnEnded, TurnStarted
from services.turn.machine import Conversation
from services.turn.persona import Persona
from tests.services.turn.scenes import (
    chat,
    draft,
    fed,
    final,
    names,
    pause,
    played,
    recalled,
    resumed,
    speech,
    spoken,
    uttered,
)

ANSWERS = {"When?": "At nine sharp."}
SHOP = Persona(instructions="Be brief.", instant=lambda text: ANSWERS.get(text, ""))
WRITTEN = Persona(instructions="Be brief.", speak=False, instant=SHOP.instant)


def test_the_answer_is_spoken_and_no_model_is_asked() -> None:
    """The turn says what is answered, for those who read."""
    said = fed(persona=SHOP).step(final("When?"), 0.0)

    speak, started = said
    assert isinstance(speak, SpeakRequest)
    assert (speak.text, speak.common) == ("At nine sharp.", True)
    assert started == TurnStarted(
        text="When?", said="At nine sharp.", turn=1, utterance=1, speech_end_ms=1000
    )


def test_other_questions_are_the_models() -> None:
    """As if there were no answers."""
    said = fed(persona=SHOP).step(final("Why?"), 0.0)

    assert names(said) == ["GenerateRequest", "SpeakRequest", "TurnStarted"]


def test_the_model_knows_what_was_answered_and_heard() -> None:
    """It may be asked about it; what was cut off nobody has heard."""
    conversation = fed(final("When?"), uttered(1, 0, "At nine sharp.", 0), spoken(1), persona=SHOP)
    conversation.step(played(1, 1000), 0.0)

    assert chat(conversation.step(final("Why?", 2), 0.0)) == [
        ("user", "When?"),
        ("assistant", "At nine sharp."),
        ("user", "Why?"),
    ]


def test_an_answer_may_be_interrupted() -> None:
    """Like any other."""
    conversation = fed(final("When?"), uttered(1, 0, "At nine sharp.", 0), persona=SHOP)
    conversation.step(speech(2), 600.0)
    said = conversation.step(final("No, why?", 2), 700.0)
    said += conversation.step(played(1, 1000), 800.0)

    ended = next(event for event in said if isinstance(event, TurnEnded))
    assert (ended.outcome, ended.reply) == ("interrupted", "At nine")
    assert chat(said)[1:] == [("assistant", "At nine"), ("user", "No, why?")]


def test_a_draft_is_spoken_ahead_and_used() -> None:
    """When the turn turns out to be over, its audio may be there already."""
    conversation = fed(speech(), pause(), persona=SHOP)
    drafted = conversation.step(draft("When?"), 0.0)
    begun = conversation.step(final("When?"), 300.0)

    assert names(drafted) == ["SpeakRequest"]
    assert begun == (
        TurnStarted(
            text="When?",
            said="At nine sharp.",
            speculated=True,
            turn=1,
            utterance=1,
            speech_end_ms=1000,
        ),
    )


def test_a_draft_is_dropped_when_the_caller_goes_on() -> None:
    """Then it was another question."""
    conversation = fed(speech(), pause(), draft("When?"), persona=SHOP)
    dropped = conversation.step(resumed(), 100.0)
    begun = conversation.step(final("When? Oh, and why?"), 900.0)

    assert names(dropped) == ["TurnCancelled"]
    assert names(begun)[0] == "GenerateRequest"


def test_a_written_answer_is_over_at_once() -> None:
    """Nobody makes anything for it."""
    said = fed(persona=WRITTEN).step(UserText(text="When?"), 0.0)

    assert names(said) == ["TurnStarted", "TurnEnded"]


def test_who_takes_over_gives_the_answer_that_was_given() -> None:
    """Even if its own book has another one by then, and at another edge once more."""
    log = TurnStarted(text="When?", said="At ten.", turn=1, utterance=1)
    conversation: Conversation = recalled(final("When?"), log, persona=SHOP)

    assert names(conversation.go_on(0.0)) == ["ReplyResumed"]
    (again,) = conversation.again(0.0)
    assert isinstance(again, SpeakRequest)
    assert (again.text, again.resumed) == ("At ten.", True)
    said = conversation.step(spoken(1), 0.0)
    said += conversation.step(played(1, 1000), 0.0)
    assert [e.reply for e in said if isinstance(e, TurnEnded)] == ["At ten."]
    assert not any(isinstance(event, GenerateRequest) for event in said)
