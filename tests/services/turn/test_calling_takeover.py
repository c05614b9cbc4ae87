"""A reply that waits for functions, and whose leader is lost, or whose client comes elsewhere."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.tool import CallsBegun, CallsEnded
from schemas.tts import SpeakRequest
from schemas.turn import TurnStarted
from tests.services.turn.scenes import clause, fed, final, generated, names, recalled
from tests.services.turn.test_calling import SHOP, asks, done, requests

STARTED = TurnStarted(text="Any tea?", turn=1, utterance=1)
ASKED = (asks("tea_stock"), CallsBegun(turn=1))
ENDED = (*ASKED, done("Seven."), CallsEnded(turn=1))


def test_who_has_asked_for_a_round_says_so() -> None:
    """Behind the job, which somebody waits for."""
    said = fed(final("Any tea?"), asks("tea_stock"), persona=SHOP).step(done("Seven."), 0.0)

    assert names(said) == ["GenerateRequest", "CallsEnded"]
    assert said[1] == CallsEnded(turn=1, seq=0)


@pytest.mark.parametrize(
    "log",
    [
        ENDED,
        (*ASKED, CallsEnded(turn=1)),
        (*ASKED, done("Seven."), clause(1, 1, "Seven boxes.")),
        (*ENDED, asks("tea_stock", number=1), CallsBegun(turn=1, seq=1)),
        (*ENDED, generated(1)),
    ],
)
def test_a_round_that_was_asked_for_is_not_asked_for_again(log: tuple[Event, ...]) -> None:
    """It would be taken from the worker that writes it."""
    conversation = recalled(final("Any tea?"), STARTED, *log, persona=SHOP)

    assert names(conversation.go_on(0.0)) == ["ReplyResumed"]


def test_who_takes_over_goes_on_counting_from_the_round_that_runs() -> None:
    """The results of the next calls are those of the next round."""
    conversation = recalled(final("Any tea?"), STARTED, *ENDED, persona=SHOP)
    conversation.go_on(0.0)
    conversation.step(clause(1, 1, "Seven boxes."), 0.0)
    ordered = conversation.step(asks("tea_stock", number=1), 0.0)
    (request,) = requests(conversation.step(done("Six.", number=1), 0.0))

    assert names(ordered) == ["ToolRequest", "CallsBegun"]
    assert request.round is not None
    assert request.round.number == 2
    assert [m.content for m in request.messages if m.role == "tool"] == ["Seven.", "Six."]


@pytest.mark.parametrize(
    ("log", "number", "results"),
    [
        ((), 0, []),
        (ASKED[:1], 0, []),
        ((*ASKED, done("Seven.")), 1, ["Seven."]),
        (ENDED, 1, ["Seven."]),
        ((*ENDED, clause(1, 1, "Seven boxes.")), 1, ["Seven."]),
        ((*ENDED, asks("tea_stock", number=1)), 1, ["Seven."]),
    ],
)
def test_at_another_edge_the_round_that_runs_is_asked_for_and_no_other(
    log: tuple[Event, ...], number: int, results: list[str]
) -> None:
    """Two would write one reply; whoever gets it tells again what was said before."""
    conversation = recalled(final("Any tea?"), STARTED, *log, persona=SHOP)
    said = (*conversation.again(0.0), *conversation.go_on(0.0))

    (request,) = requests(said)
    assert request.resumed
    assert request.round is not None
    assert request.round.number == number
    assert [m.content for m in request.messages if m.role == "tool"] == results
    assert [e.resumed for e in said if isinstance(e, SpeakRequest)] == [True]


def test_what_was_being_called_when_the_session_moved_is_told_at_once() -> None:
    """Its workers have let go of it; it may have been done, and is not called again."""
    log = (asks("tea_stock", "tea_stock"), CallsBegun(turn=1), done("Seven.", 1))
    conversation = recalled(final("Any tea?"), STARTED, *log, persona=SHOP)
    said = (*conversation.again(0.0), *conversation.go_on(0.0))

    (request,) = requests(said)
    unsure, seven = (m.content for m in request.messages if m.role == "tool")
    assert "it is not known whether this was done" in unsure
    assert seven == "Seven."
    assert names(said) == ["GenerateRequest", "SpeakRequest", "CallsEnded", "ReplyResumed"]
    assert conversation.due_ms == SHOP.stall_ms


def test_calls_that_nobody_ordered_are_ordered_at_the_new_edge() -> None:
    """And the words in front of them are told again meanwhile, and behind them if need be."""
    conversation = recalled(final("Any tea?"), STARTED, *ASKED[:1], persona=SHOP)
    again = conversation.again(0.0)
    ordered = conversation.go_on(0.0)
    (request,) = requests(conversation.step(done("Seven."), 0.0))

    assert names(again) == ["GenerateRequest", "SpeakRequest"]
    assert names(ordered) == ["ReplyResumed", "ToolRequest", "CallsBegun"]
    assert request.resumed
