"""How long functions may take, and what the model is told of those that came to no end."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.llm import Tool
from services.turn.calling import GRACE_S, Function
from tests.services.turn.scenes import draft, fed, final, names, pause, speech, uttered
from tests.services.turn.test_calling import SHOP, asks, done

SLOW = Function(tool=Tool(name="order"), server="tea", name="order", timeout_s=60.0)
PATIENT = replace(SHOP, functions={**SHOP.functions, "order": SLOW}, stall_ms=30_000.0)


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
