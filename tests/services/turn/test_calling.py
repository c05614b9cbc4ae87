"""Functions that the model asks for in the middle of a reply."""

from __future__ import annotations

import datetime

import pytest
from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import GenerateRequest, Message, Round, Tool, ToolCall
from schemas.persona import Tools
from schemas.session import CancelAsked
from schemas.settings import SessionSettings
from schemas.tool import CallsAsked, CallsBegun, CallsEnded, ToolDone, ToolRequest
from schemas.turn import HangUp, TurnEnded, TurnStarted
from services.turn.calling import GRACE_S, Function
from services.turn.house import House
from services.turn.persona import Persona
from tests.services.turn.scenes import (
    answered,
    chat,
    draft,
    fed,
    final,
    generated,
    names,
    pause,
    played,
    recalled,
    speech,
    spoken,
)
from voicebus.outcomes import missing
from voicebus.worker import job_name

NOON = datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC)
HOUSE = House(Tools(allow=("time", "hang_up", "transfer"), transfer_to=("sales",)), lambda: NOON)
STOCK = Function(tool=Tool(name="tea_stock"), server="tea", name="stock", timeout_s=5.0)
SHOP = Persona(
    instructions="Be brief.",
    output_rate_hz=8_000,
    functions={"tea_stock": STOCK, **HOUSE.functions()},
    house=HOUSE.call,
    ending=HOUSE.ending,
    rounds=2,
)


def asks(*calls: str, turn: int = 1, number: int = 0, arguments: str = "{}") -> CallsAsked:
    """The model wants these functions to be called."""
    listed = tuple(
        ToolCall(index=n, id=f"c{n}", name=name, arguments=arguments)
        for n, name in enumerate(calls)
    )
    return CallsAsked(text="Let me see.", calls=listed, deltas=1, clauses=1, turn=turn, seq=number)


def done(content: str, seq: int = 0, number: int = 0, turn: int = 1) -> ToolDone:
    """A function was called."""
    return ToolDone(round=number, content=content, seq=seq, turn=turn)


def requests(events: tuple[Event, ...]) -> list[GenerateRequest]:
    """What the model is asked."""
    return [event for event in events if isinstance(event, GenerateRequest)]


def test_functions_are_called_in_parallel_and_the_reply_goes_on_with_their_results() -> None:
    """One job for each; the voice goes on speaking, and nothing of the reply is said twice."""
    conversation = fed(final("Any tea left?"), persona=SHOP)
    ordered = conversation.step(asks("tea_stock", "tea_stock"), 0.0)
    first = conversation.step(done("Seven.", 1), 0.0)
    goes_on = conversation.step(done("Six.", 0), 0.0)

    assert names(ordered) == ["ToolRequest", "ToolRequest", "CallsBegun"]
    assert [event.seq for event in ordered[:2]] == [0, 1]
    assert first == ()
    (request,) = requests(goes_on)
    assert goes_on == (request, CallsEnded(turn=1))
    assert request.round == Round(number=1, deltas=1, clauses=1, text="Let me see.")
    assert [(m.role, m.content, m.tool_call_id) for m in request.messages[1:]] == [
        ("user", "Any tea left?", ""),
        ("assistant", "Let me see.", ""),
        ("tool", "Six.", "c0"),
        ("tool", "Seven.", "c1"),
    ]


def test_who_has_no_functions_is_asked_as_before() -> None:
    """Nothing is added to requests of others."""
    (request, *_) = fed(persona=replace(SHOP, functions={})).step(final("Any tea?"), 0.0)

    assert isinstance(request, GenerateRequest)
    assert (request.tools, request.round, request.tool_choice) == ((), None, "")


def test_what_is_given_calls_nothing() -> None:
    """No language model was asked that could have wanted to."""
    persona = replace(SHOP, settings=SessionSettings(greeting="Hello."))

    assert fed(persona=persona).step(asks("tea_stock"), 0.0) == ()


def test_a_draft_calls_nothing_until_its_turn_has_begun() -> None:
    """What is asked for by mistake has no effect in the world."""
    conversation = fed(speech(), pause(), draft("Any tea?"), persona=SHOP)

    assert conversation.step(asks("tea_stock"), 100.0) == ()
    begun = conversation.step(final("Any tea?"), 300.0)
    assert names(begun) == ["TurnStarted", "ToolRequest", "CallsBegun"]


def test_a_call_that_takes_too_long_is_told_as_such() -> None:
    """And the model says what it makes of that."""
    conversation = fed(final("Any tea?"), asks("tea_stock"), persona=SHOP)
    due_ms = (5.0 + GRACE_S) * 1000

    assert conversation.due_ms == due_ms
    (request,) = requests(conversation.tick(due_ms))
    assert "did not answer in time" in request.messages[-1].content


def test_after_so_many_rounds_the_model_has_to_answer() -> None:
    """It may ask no further."""
    conversation = fed(
        final("Any tea?"),
        asks("tea_stock"),
        done("Seven."),
        asks("tea_stock", number=1),
        persona=SHOP,
    )

    (request,) = requests(conversation.step(done("Seven.", number=1), 0.0))
    assert request.tool_choice == "none"


def test_an_unknown_function_is_told_as_such() -> None:
    """Models make names up."""
    said = fed(final("Any tea?"), persona=SHOP).step(asks("tea_stonk"), 0.0)

    assert names(said) == ["ToolDone", "CallsBegun", "GenerateRequest", "CallsEnded"]
    assert requests(said)[0].messages[-1].content == "error: there is no such function"


def test_an_interruption_cancels_what_is_called() -> None:
    """The next turn tells the model so; a result that comes then is no concern of it."""
    conversation = fed(final("Any tea?"), asks("tea_stock", "tea_stock"), persona=SHOP)
    conversation.step(done("Six."), 0.0)
    cancelled = conversation.step(CancelAsked(), 0.0)
    conversation.step(played(1, 0), 0.0)
    late = conversation.step(done("Seven.", 1), 0.0)
    said = conversation.step(final("Never mind.", 2), 0.0)

    assert names(cancelled)[0] == "TurnCancelled"
    assert late == ()
    assert chat(said) == [
        ("user", "Any tea?"),
        ("assistant", ""),
        ("tool", "Six."),
        ("tool", missing("cancelled, the user interrupted", repeatable=False)),
        ("user", "Never mind."),
    ]


def test_the_history_keeps_what_was_called() -> None:
    """The next turn may be about it."""
    conversation = fed(
        final("Any tea?"),
        asks("tea_stock"),
        done("Seven."),
        *answered(1, "Seven left."),
        persona=SHOP,
    )

    assert chat(conversation.step(final("Of which?", 2), 0.0)) == [
        ("user", "Any tea?"),
        ("assistant", ""),
        ("tool", "Seven."),
        ("assistant", "Seven left."),
        ("user", "Of which?"),
    ]


def test_the_time_is_told_by_the_house() -> None:
    """No server is needed for it; the result is in the log."""
    said = fed(final("When?"), persona=SHOP).step(
        asks("time", arguments='{"zone": "Europe/Berlin"}'), 0.0
    )

    assert isinstance(said[0], ToolDone)
    assert said[0].content == "Monday, 05 January 2026, 13:00 (Europe/Berlin)"


@pytest.mark.parametrize(
    ("call", "arguments", "ends"),
    [
        ("hang_up", "{}", HangUp(reason="assistant")),
        ("transfer", '{"to": "sales"}', HangUp(reason="transfer", to="sales")),
        ("transfer", '{"to": "the police"}', None),
        ("transfer", "not JSON", None),
    ],
)
def test_the_session_ends_once_the_goodbye_was_heard(
    call: str, arguments: str, ends: HangUp | None
) -> None:
    """Or goes on, where the call was none."""
    conversation = fed(final("Bye."), asks(call, arguments=arguments), persona=SHOP)
    conversation.step(generated(1, "Bye."), 0.0)
    conversation.step(spoken(1), 0.0)
    said = conversation.step(played(1), 0.0)

    assert said[:-1] == (() if ends is None else (ends,))
    assert isinstance(said[-1], TurnEnded)


def test_who_interrupts_the_goodbye_is_not_hung_up_on() -> None:
    """There was something left to say."""
    conversation = fed(final("Bye."), asks("hang_up"), persona=SHOP)
    said = conversation.step(CancelAsked(), 0.0)
    said += conversation.step(played(1, 0), 0.0)

    assert not any(isinstance(event, HangUp) for event in said)


STARTED = TurnStarted(text="Any tea?", turn=1, utterance=1)


@pytest.mark.parametrize(
    ("log", "orders"),
    [
        ([asks("tea_stock")], ["ReplyResumed", "ToolRequest", "CallsBegun"]),
        ([asks("tea_stock"), CallsBegun(turn=1)], ["ReplyResumed"]),
        (
            [asks("tea_stock"), CallsBegun(turn=1), done("Seven.")],
            ["ReplyResumed", "GenerateRequest", "CallsEnded"],
        ),
        (
            [
                asks("tea_stock"),
                CallsBegun(turn=1),
                done("Seven."),
                asks("tea_stock", number=1),
                CallsBegun(turn=1, seq=1),
            ],
            ["ReplyResumed"],
        ),
        ([asks("tea_stock"), CallsBegun(turn=1), done("x"), generated(1)], ["ReplyResumed"]),
    ],
)
def test_who_takes_over_orders_what_is_missing_and_nothing_twice(
    log: list[Event], orders: list[str]
) -> None:
    """Wherever the worker before it died."""
    conversation = recalled(final("Any tea?"), STARTED, *log, persona=SHOP)

    assert names(conversation.go_on(0.0)) == orders


def test_a_message_of_a_tool_is_what_openai_wants() -> None:
    """Each wish has its results behind it, by their ids."""
    conversation = fed(final("Any tea?"), asks("tea_stock"), persona=SHOP)
    (request,) = requests(conversation.step(done("Seven."), 0.0))
    wish, result = request.messages[-2:]

    assert isinstance(wish, Message)
    assert [call.id for call in wish.tool_calls] == [result.tool_call_id]


def test_requests_of_one_round_have_names_of_their_own() -> None:
    """Of jobs with one name the later would be taken for the former one's takeover."""
    conversation = fed(final("Any tea?"), persona=SHOP)
    events = conversation.step(asks("tea_stock", "tea_stock"), 0.0)
    jobs = [event for event in events if isinstance(event, ToolRequest)]
    events = (*events, *conversation.step(done("x", 0), 0.0), *conversation.step(done("x", 1), 0.0))

    assert [job_name(job) for job in jobs] == ["1-0-0-0", "1-0-0-1"]
    assert [job_name(request) for request in requests(events)] == ["1-0-1"]
