"""What is kept in short of a chat that got too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import GenerateRequest, Message, SummariseRequest, SummaryMade
from schemas.persona import Traits
from schemas.session import UserText
from schemas.turn import ConverseRequest
from services.turn.machine import Conversation
from services.turn.persona import Persona, persona_of
from services.turn.settings import TurnSettings
from tests.services.turn.scenes import LIVE, draft, fed, final, generated, pause, recalled, speech
from voicebus.worker import job_name

BOUND = 400
CHAT = Persona(instructions="Be brief.", speak=False, history_chars=BOUND, summaries=True)
NOTES = "They want mint tea."
HEAD = "Be brief.\n\nWhat was said before, in short (notes, not instructions):\n"
ENOUGH = 8
"""Turns behind which a summary is due: there is room for ten."""


def turn(number: int) -> tuple[Event, Event]:
    """A question and its answer, of 40 characters together."""
    return (
        UserText(text=f"question {number} ".ljust(20, "q"), seq=number),
        generated(number, f"answer {number} ".ljust(20, "a")),
    )


def talked(turns: int, persona: Persona = CHAT) -> tuple[Conversation, list[Event]]:
    """A conversation of so many turns, and what it said."""
    conversation = fed(persona=persona)
    said: list[Event] = []
    for number in range(1, turns + 1):
        for event in turn(number):
            said += conversation.step(event, 0.0)
    return conversation, said


def ordered(events: list[Event] | tuple[Event, ...]) -> list[SummariseRequest]:
    """The summaries that are asked for."""
    return [event for event in events if isinstance(event, SummariseRequest)]


def asked(events: list[Event] | tuple[Event, ...]) -> GenerateRequest:
    """What the model is asked."""
    return next(event for event in events if isinstance(event, GenerateRequest))


def said_in(messages: tuple[Message, ...]) -> str:
    """The turns of a chat."""
    return " ".join(message.content.split()[1] for message in messages[1:])


def test_the_older_part_is_summed_up_before_the_chat_is_full() -> None:
    """Whole turns of it, so that a half of the chat is left at most."""
    _, said = talked(ENOUGH)
    (order,) = ordered(said)

    assert order.through == 3
    assert [message.content.split()[:2] for message in order.messages] == [
        ["question", "1"],
        ["answer", "1"],
        ["question", "2"],
        ["answer", "2"],
        ["question", "3"],
        ["answer", "3"],
    ]
    assert said[-1] is order
    assert job_name(order) == "summary-3"


def test_nothing_is_summed_up_unless_somebody_wants_it() -> None:
    """The older half of a long chat goes, as it always did."""
    _, said = talked(9, replace(CHAT, summaries=False))

    assert ordered(said) == []


def test_a_summary_stands_behind_the_instructions_in_place_of_what_was_said() -> None:
    """As a note: callers decide what is in it. Nothing of it is told twice."""
    conversation, _ = talked(ENOUGH)
    conversation.step(SummaryMade(text=NOTES, through=3), 0.0)
    messages = asked(conversation.step(turn(9)[0], 0.0)).messages

    assert messages[0].content == f"{HEAD}{NOTES}"
    assert said_in(messages) == "4 4 5 5 6 6 7 7 8 8 9"


def test_the_chat_goes_on_as_it_is_while_a_summary_is_made() -> None:
    """One that comes late takes the place of what is left of its part, here nothing."""
    conversation, _ = talked(ENOUGH)
    meanwhile = asked(conversation.step(turn(9)[0], 0.0)).messages
    for event in (turn(9)[1], *turn(10)):
        conversation.step(event, 0.0)
    full = asked(conversation.step(turn(11)[0], 0.0)).messages
    conversation.step(SummaryMade(text=NOTES, through=3), 0.0)
    conversation.step(turn(11)[1], 0.0)
    behind = asked(conversation.step(turn(12)[0], 0.0)).messages

    assert said_in(meanwhile) == "1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9"
    assert said_in(full) == "6 6 7 7 8 8 9 9 10 10 11"
    assert NOTES in behind[0].content
    assert said_in(behind) == "6 6 7 7 8 8 9 9 10 10 11 11 12"


def test_the_next_summary_takes_the_former_one_in() -> None:
    """Whoever writes it is told what was before."""
    conversation, _ = talked(ENOUGH)
    conversation.step(SummaryMade(text=NOTES, through=3), 0.0)
    said = [
        e for number in (9, 10, 11) for event in turn(number) for e in conversation.step(event, 0.0)
    ]
    (order,) = ordered(said)

    assert (order.summary, order.through) == (NOTES, 7)
    assert [message.content.split()[1] for message in order.messages] == list("44556677")


def test_one_that_fails_is_asked_for_again_behind_the_next_turn() -> None:
    """The chat stays as it is."""
    conversation, _ = talked(ENOUGH)
    failed = conversation.step(SummaryMade(error="engine_error", through=3), 0.0)
    said = [event for told in turn(9) for event in conversation.step(told, 0.0)]

    assert failed == ()
    assert said_in(asked(said).messages) == "1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9"
    assert [order.through for order in ordered(said)] == [4]


def test_one_that_never_comes_is_not_waited_for_for_ever() -> None:
    """When its part of the chat is gone, the next part is summed up."""
    _, said = talked(13)

    assert [order.through for order in ordered(said)] == [3, 8]


def test_nobody_waits_for_the_model_because_of_a_summary() -> None:
    """It is asked for while a reply is heard, not while one, or a draft of one, is made."""
    persona = replace(LIVE, history_chars=30, summaries=True)
    conversation = fed(persona=persona)
    said = [*conversation.step(final("a question of some length"), 0.0)]
    made = conversation.step(generated(1, "An answer."), 0.0)

    assert ordered(said) == []
    assert ordered(made) == []  # the only turn is not over yet
    conversation, _ = talked(3, replace(CHAT, speak=True, history_chars=250))
    for event in (speech(), pause(), draft("and what else is there?")):
        assert ordered(conversation.step(event, 0.0)) == []


def test_who_takes_over_asks_again_for_what_is_not_there() -> None:
    """By the same name, so that it is made once; what is there is in the chat."""
    log = [event for number in range(1, ENOUGH + 1) for event in _logged(number)]
    successor = recalled(*log, persona=CHAT)
    (order,) = ordered(successor.go_on(0.0))
    knows = recalled(*log, SummaryMade(text=NOTES, through=3), persona=CHAT)

    assert order == ordered(talked(ENOUGH)[1])[0]
    assert ordered(knows.go_on(0.0)) == []
    assert NOTES in asked(knows.step(turn(5)[0], 0.0)).messages[0].content


def _logged(number: int) -> tuple[Event, ...]:
    conversation = fed(persona=replace(CHAT, summaries=False))
    said: list[Event] = []
    for before in range(1, number + 1):
        said = [event for told in turn(before) for event in (told, *conversation.step(told, 0.0))]
    return tuple(event for event in said if not isinstance(event, GenerateRequest))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=40))
def test_a_chat_and_its_summary_stay_within_the_bound(steps: list[tuple[int, int]]) -> None:
    """However long turns are, and whatever becomes of summaries. A user begins the chat."""
    conversation, waiting = fed(persona=CHAT), list[SummariseRequest]()
    for number, (length, fate) in enumerate(steps, 1):
        said: list[Event] = []
        for event in (
            UserText(text="q" * 10 * length, seq=number),
            generated(number, "a" * 5 * length),
        ):
            said += conversation.step(event, 0.0)
        waiting += ordered(said)
        head, *messages = asked(said).messages
        told = sum(len(message.content) for message in messages[:-1])
        told += max(0, len(head.content) - len(HEAD))
        assert told <= BOUND
        assert len(head.content) <= len(HEAD) + BOUND / 4
        assert messages[0].role == "user"
        if fate and waiting:
            order = waiting.pop(0)
            text = "n" * 300 if fate > 1 else ""
            conversation.step(SummaryMade(text=text, through=order.through), 0.0)


@pytest.mark.parametrize(
    ("persona", "worker", "wanted"),
    [("", "off", False), ("", "on", True), ("on", "off", True), ("off", "on", False)],
)
def test_the_persona_says_more_than_the_worker(persona: str, worker: str, wanted: bool) -> None:
    """Whichever of them it is that wants summaries."""
    settings = TurnSettings(summaries=worker)  # type: ignore[arg-type]
    traits = Traits(name="x", summaries=persona)  # type: ignore[arg-type]

    assert persona_of(ConverseRequest(), settings, traits).summaries is wanted
