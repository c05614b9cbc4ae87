"""What a Realtime conversation holds at most."""

from __future__ import annotations

import pytest

from edge.openai.realtime import items
from tests.edge.openai.realtime.scenes import HEARD, TEXT, Scene, error_of, hear_a_turn


def test_what_caller_and_answers_add_pushes_the_oldest_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told of each, and the newest are what is asked."""
    monkeypatch.setattr(items, "MAX_ITEMS", 5)
    scene = Scene(**HEARD)
    for number in range(6):
        hear_a_turn(scene, f"Turn {number}.")
        scene.deliver()

    deleted = [e["item_id"] for e in scene.told if e["type"] == "conversation.item.deleted"]
    added = [e["item"]["id"] for e in scene.told if e["type"] == "conversation.item.added"]
    assert len(added) == 12
    assert (deleted, scene.watch.items) == (added[:7], added[7:])
    users = [m.content for m in scene.asked[-1].generate.messages if m.role == "user"]
    assert users[-1] == "Turn 5."


def test_length_counts_as_well_as_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that brings it over the bound pushes out what is before it, and stays itself."""
    monkeypatch.setattr(items, "MAX_CHARS", 20)
    scene = Scene(**TEXT)
    scene.type_text("Hello there.")
    scene.say("response.create")
    scene.deliver()

    assert len(scene.watch.items) == 1
    (retrieved,) = scene.say("conversation.item.retrieve", item_id=scene.watch.items[0])
    assert retrieved["item"]["role"] == "assistant"


def test_a_client_may_not_push_out_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It deletes what is old itself."""
    monkeypatch.setattr(items, "MAX_ITEMS", 1)
    scene = Scene(**TEXT)
    scene.type_text("Hi.")

    assert error_of(scene.type_text("Ho."))[0] == "conversation_full"
