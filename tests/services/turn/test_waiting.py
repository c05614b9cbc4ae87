"""What the caller has said and nobody has answered yet."""

from __future__ import annotations

import pytest

from schemas.session import UserText
from schemas.turn import TurnEnded
from services.turn.waiting import Waiting
from tests.services.turn.scenes import final


def test_words_become_one_turn() -> None:
    """Spoken and typed, in their order; afterwards nothing waits."""
    waiting = Waiting(60)
    waiting.add(final("one", 1))
    waiting.add(final("two", 2))
    waiting.complete()

    started = waiting.take()

    assert (started.text, started.speech_end_ms, started.typed) == ("one two", 2_000, False)
    assert not waiting
    assert not waiting.is_complete


def test_what_was_typed_last_makes_the_turn_typed() -> None:
    """It has no end in the audio."""
    waiting = Waiting(60)
    waiting.add(final("one"))
    waiting.add(UserText(text="two"))

    assert waiting.is_typed
    started = waiting.take()
    assert (started.typed, started.speech_end_ms) == (True, -1)


def test_nothing_is_never_complete() -> None:
    """Silence asks for no answer."""
    waiting = Waiting(60)
    waiting.complete()

    assert not waiting.is_complete
    assert not waiting.is_typed


@pytest.mark.parametrize(("utterances", "is_too_long"), [(1, False), (4, False), (6, True)])
def test_long_speech_is_counted_from_its_first_word(utterances: int, is_too_long: bool) -> None:
    """Over all the parts that it was cut into."""
    waiting = Waiting(5)
    for utterance in range(1, utterances + 1):
        waiting.add(final("on and on", utterance, cause="length"))

    assert waiting.is_too_long(final("", utterances)) is is_too_long


@pytest.mark.parametrize(
    ("reply", "outcome", "later_ms", "is_answer"),
    [
        ("Shall I book it?", "completed", 1_000, True),
        ("Shall I book it? ", "completed", 1_500, True),
        ("Shall I book it?", "completed", 1_600, False),
        ("I shall book it.", "completed", 1_000, False),
        ("Shall I book it?", "interrupted", 1_000, False),
    ],
)
def test_a_yes_over_the_end_of_a_question_answers_it(
    reply: str, outcome: str, later_ms: float, is_answer: bool
) -> None:
    """Anywhere else it only showed that somebody listens."""
    waiting = Waiting(60)
    waiting.set_aside(final("Yes."), 10_000)

    waiting.take_up(TurnEnded(outcome=outcome, reply=reply, turn=1), 10_000 + later_ms)

    assert waiting.is_complete is is_answer
    waiting.take_up(TurnEnded(outcome="completed", reply="Well?", turn=2), 10_000)
    assert bool(waiting) is is_answer
