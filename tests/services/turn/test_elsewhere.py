"""A conversation that goes on in two sessions at once, as one of them sees it."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.conversation import Exchange
from schemas.session import PlaybackEnded, UserText
from schemas.settings import SessionSettings
from schemas.turn import TurnEnded, TurnStarted
from services.turn.machine import Conversation
from tests.services.turn.scenes import LIVE, answered, chat, fed, final, generated, uttered

ELSEWHERE = Exchange(session="other", turn=1, user="I am Ada.", assistant="Hello, Ada.")


def test_the_model_knows_what_was_said_before_in_another_session() -> None:
    """The request of the first turn carries it."""
    conversation = fed()
    conversation.turns.elsewhere(ELSEWHERE)

    asked = chat(conversation.step(final("Who am I?"), 0.0))

    assert asked == [
        ("user", "I am Ada."),
        ("assistant", "Hello, Ada."),
        ("user", "Who am I?"),
    ]


def test_a_turn_that_runs_is_not_torn_apart_by_another_session() -> None:
    """What was said there meanwhile comes behind it."""
    conversation = fed(final("Good day."))
    conversation.turns.elsewhere(ELSEWHERE)
    for event in answered(1, "Good day."):
        conversation.step(event, 0.0)

    asked = chat(conversation.step(UserText(text="Who am I?", seq=1), 0.0))

    assert [text for _, text in asked] == [
        "Good day.",
        "Good day.",
        "I am Ada.",
        "Hello, Ada.",
        "Who am I?",
    ]


def test_who_comes_into_a_conversation_is_not_greeted_again() -> None:
    """They have talked already."""
    persona = replace(LIVE, settings=SessionSettings(greeting="Welcome!"))
    begun, joined = Conversation(persona), Conversation(persona)
    joined.turns.elsewhere(ELSEWHERE)

    assert begun.open(0.0)
    assert joined.open(0.0) == ()


def test_a_greeting_of_another_session_is_no_answer_to_anybody() -> None:
    """Chat templates want the user to speak first."""
    conversation = fed()
    conversation.turns.elsewhere(Exchange(session="other", turn=1, assistant="Welcome!"))

    assert chat(conversation.step(final("Hello."), 0.0)) == [("user", "Hello.")]


def test_what_was_heard_is_what_is_exchanged() -> None:
    """An interrupted reply ends where the user stopped hearing it."""
    conversation = fed(
        final("Tell me a story."),
        generated(1, "Once upon a time."),
        uttered(1, 0, "Once upon a time.", 0),
        UserText(text="Stop.", seq=1),
        PlaybackEnded(turn=1, played_ms=1_000),
    )

    said = Exchange(session="", turn=1, user="Tell me a story.", assistant="Once upon")
    assert conversation.turns.exchanged == [said]


def test_the_log_tells_the_same_exchanges() -> None:
    """A worker that takes over keeps what its predecessor had no time for."""
    conversation = Conversation(LIVE)
    conversation.recall(TurnStarted(turn=1, text="Hello."), 0.0)
    conversation.recall(TurnEnded(turn=1, outcome="completed", reply="Hi."), 0.0)

    assert conversation.turns.exchanged == [
        Exchange(session="", turn=1, user="Hello.", assistant="Hi.")
    ]
