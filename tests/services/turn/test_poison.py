"""Words on which the model's workers die: they are asked once, and never told again."""

from __future__ import annotations

from schemas.failure import Failure
from schemas.turn import TurnEnded, TurnStarted
from services.turn.limits import PLAYBACK_KNOWN_MS
from tests.services.turn.scenes import (
    WRITTEN,
    answered,
    chat,
    draft,
    fed,
    final,
    names,
    played,
    recalled,
)

POISONED = Failure(stage="llm", code="poisoned", message="given up", turn=1)
FAILED = Failure(stage="llm", code="engine_timeout", message="too late", turn=1)
FAILED_2 = Failure(stage="llm", code="engine_timeout", message="too late", turn=2)


def test_what_was_given_up_is_not_part_of_the_next_question() -> None:
    """It would kill whoever is asked; what only failed is asked again with what follows."""
    deadly = fed(final("poison"), POISONED, played(1, 0))
    failed = fed(final("hello"), FAILED, played(1, 0))

    assert chat(deadly.step(final("water", 2), 0)) == [("user", "water")]
    assert chat(failed.step(final("water", 2), 0)) == [("user", "hello water")]


def test_what_was_said_before_stays() -> None:
    """Answered or not."""
    conversation = fed(final("hello"), *answered(), final("and", 2))
    conversation.step(FAILED_2, 0)
    conversation.step(played(2, 0), 0)
    conversation.step(final("poison", 3), 0)
    conversation.step(Failure(stage="llm", code="poisoned", message="x", turn=3), 0)
    conversation.step(played(3, 0), 0)

    assert chat(conversation.step(final("water", 4), 0)) == [
        ("user", "hello"),
        ("assistant", "Hello there."),
        ("user", "and water"),
    ]


def test_a_draft_that_was_given_up_is_not_asked_again() -> None:
    """The turn begins, and has failed."""
    conversation = fed(draft("poison"), POISONED)
    events = conversation.step(final("poison"), 0)

    assert names(events) == ["TurnStarted", "TurnCancelled"]
    assert conversation.tick(PLAYBACK_KNOWN_MS) == (TurnEnded(turn=1, outcome="failed"),)
    assert chat(conversation.step(final("water", 2), 0)) == [("user", "water")]


def test_who_takes_over_does_not_tell_it_either() -> None:
    """The log says which words they were."""
    conversation = recalled(
        TurnStarted(turn=1, text="poison", utterance=1),
        POISONED,
        TurnEnded(turn=1, outcome="failed"),
        persona=WRITTEN,
    )

    assert chat(conversation.step(final("water", 2), 0)) == [("user", "water")]
