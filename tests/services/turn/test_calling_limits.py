"""How long functions may take, and what the model is told of those that came to no end."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.event import Event
from schemas.llm import Tool
from schemas.session import CancelAsked
from schemas.tool import CallsBegun
from schemas.turn import TurnEnded, TurnStarted
from services.turn.calling import GRACE_S, Function
from tests.services.turn.scenes import (
    draft,
    fed,
    final,
    names,
    pause,
    played,
    recalled,
    speech,
    uttered,
)
from tests.services.turn.test_calling import SHOP, asks, done, requests

SLOW = Function(tool=Tool(name="order"), server="tea", name="order", timeout_s=60.0)
STOCK = replace(SLOW, name="stock", timeout_s=5.0, repeatable=True)
UNSURE = "; it is not known whether this was done. Do not repeat it unasked."
PATIENT = replace(
    SHOP, functions={**SHOP.functions, "order": SLOW, "stock": STOCK}, stall_ms=30_000.0
)


def test_a_function_may_take_longer_than_a_stage() -> None:
    """Whatever is said meanwhile; the next round has a stage's time again."""
    conversation = fed(final("Order some."), asks("order"), persona=PATIENT)
    due_ms = (60.0 + GRACE_S) * 1000

    conversation.step(uttered(1, 0, "Let me see.", 0), 20_000.0)
    assert conversation.due_ms == due_ms
    assert conversation.tick(due_ms - 1) == ()
    assert names(conversation.step(done("Done."), 50_000.0)) == ["GenerateRequest", "CallsEnded"]
    assert conversation.due_ms == 80_000.0


def test_a_draft_that_waits_for_functions_has_their_time() -> None:
    """Counted from where they are called."""
    conversation = fed(persona=PATIENT)
    for event in (speech(), pause(), draft("Order some."), asks("order")):
        conversation.step(event, 100.0)
    conversation.step(final("Order some."), 300.0)

    assert conversation.due_ms == 300.0 + (60.0 + GRACE_S) * 1000


def told(events: tuple[Event, ...]) -> list[str]:
    """What the model is told of its calls."""
    (request,) = requests(events)
    return [message.content for message in request.messages if message.role == "tool"]


def test_of_a_call_that_may_have_been_done_nobody_says_that_it_was_not() -> None:
    """One that may be made twice is told as what it is."""
    conversation = fed(final("Order some."), asks("order", "stock", "stock"), persona=PATIENT)
    conversation.step(done("Seven.", 2), 0.0)
    late = "error: the function did not answer in time"

    assert told(conversation.tick((60.0 + GRACE_S) * 1000)) == [late + UNSURE, late, "Seven."]


def test_what_was_cancelled_may_have_been_done() -> None:
    """Unless it was never sent: who interrupts a draft has bought nothing."""
    conversation = fed(final("Order some."), asks("order", "stock"), persona=PATIENT)
    conversation.step(CancelAsked(), 0.0)
    conversation.step(played(1, 0), 0.0)
    cancelled = "error: cancelled, the user interrupted"

    assert told(conversation.step(final("Go on.", 2), 0.0)) == [cancelled + UNSURE, cancelled]
    ended = TurnEnded(turn=1, outcome="interrupted")
    for begun, doubt in (((CallsBegun(turn=1),), UNSURE), ((), "")):
        log = (TurnStarted(text="Order.", turn=1, utterance=1), asks("order"), *begun, ended)
        successor = recalled(final("Order."), *log, persona=PATIENT)
        assert told(successor.step(final("Go on.", 2), 0.0)) == [cancelled + doubt]
