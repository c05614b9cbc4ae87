"""What the model wants to be remembered of the user."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.persona import Tools
from schemas.session import CancelAsked
from schemas.tool import CallsBegun
from schemas.turn import TurnEnded, TurnStarted
from services.turn.house import House
from services.turn.persona import Persona
from tests.services.turn.scenes import answered, draft, fed, final, pause, played, recalled, speech
from tests.services.turn.test_calling import NOON, asks

KEEPING = House(Tools(allow=("remember",)), lambda: NOON, keeps=True)
FRIEND = Persona(
    instructions="Be kind.",
    output_rate_hz=8_000,
    functions=KEEPING.functions(),
    house=KEEPING.call,
    fact=KEEPING.fact,
)
WISH = asks("remember", arguments='{"fact": " Likes  mint. "}')


def test_what_is_to_be_remembered_is_kept_with_its_turn() -> None:
    """Where the session belongs to a conversation, and the persona allows it."""
    conversation = fed(final("I like mint."), WISH, *answered(1, "Noted."), persona=FRIEND)

    assert conversation.turns.facts == ["Likes mint."]
    assert "remember" not in House(Tools(allow=("remember",)), lambda: NOON).functions()
    assert KEEPING.call("remember", '{"fact": ""}').startswith("error: ")
    assert KEEPING.call("remember", f'{{"fact": "{"x" * 301}"}}').startswith("error: ")


def test_what_was_remembered_stays_whoever_interrupts_then() -> None:
    """The model was told that it was done."""
    conversation = fed(final("I like mint."), WISH, CancelAsked(), played(1, 0), persona=FRIEND)

    assert conversation.turns.facts == ["Likes mint."]


@pytest.mark.parametrize(("begun", "facts"), [((), []), ((CallsBegun(turn=1),), ["Likes mint."])])
def test_what_was_only_wished_for_is_not_remembered(
    begun: tuple[Event, ...], facts: list[str]
) -> None:
    """The turn was given up first: the model is told that it was cancelled."""
    log = (TurnStarted(text="I like mint.", turn=1, utterance=1), WISH, *begun)
    ended = TurnEnded(turn=1, outcome="interrupted")
    conversation = recalled(final("I like mint."), *log, ended, persona=FRIEND)

    assert conversation.turns.facts == facts


def test_of_a_draft_that_is_dropped_nothing_is_remembered() -> None:
    """Its words were no turn."""
    conversation = fed(speech(), pause(), draft("I like mint."), WISH, persona=FRIEND)
    conversation.step(final("I like mint. No."), 0.0)
    conversation.step(CancelAsked(), 0.0)
    conversation.step(played(1, 0), 0.0)

    assert conversation.turns.facts == []
