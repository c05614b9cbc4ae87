"""The items of a conversation, and where they are put."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.items import FIRST, MAX_CHARS, MAX_ITEMS, Content, Conversation, Item


def item(item_id: str) -> Item:
    """A message with this id."""
    return Item(id=item_id, type="message", role="user", content=())


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30))
def test_items_stand_where_they_were_put(steps: list[tuple[int, bool]]) -> None:
    """Behind another, first or last: as in a plain list; the id before is told."""
    conversation, order = Conversation(), list[str]()
    for number, (place, is_last) in enumerate(steps):
        name = f"item_{number}"
        after = None if is_last else [FIRST, *order][place % (len(order) + 1)]
        before = conversation.add(item(name), after)
        index = len(order) if after is None else 0 if after == FIRST else order.index(after) + 1
        order.insert(index, name)
        assert before == (order[index - 1] if index else None) == conversation.before(name)
        if place == 9:
            conversation.remove(gone := order.pop(number % len(order)))
            assert not conversation.has(gone)

    assert [known.id for known in conversation.items()] == order
    assert conversation.last_id == (order[-1] if order else None)


def test_an_id_is_taken_once() -> None:
    """The item that has it stays as it is."""
    conversation = Conversation()
    conversation.add(item("a"))

    with pytest.raises(BadEvent) as caught:
        conversation.add(item("a"))

    assert caught.value.reason == "item_already_exists"


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
    ({"type": "function_call", "name": "f"}, "missing_required_parameter", "item.arguments"),
    ({"type": "function_call_output", "output": "x"}, "missing_required_parameter", "item.call_id"),
    (
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AA"}]},
        "missing_required_parameter",
        "item.content[0].text",
    ),
    (
        {"type": "message", "role": "system", "content": [{"type": "output_text", "text": "x"}]},
        "invalid_value",
        "item.content[0].type",
    ),
]


@pytest.mark.parametrize(("given_item", "code", "param"), BAD)
def test_an_item_that_says_nothing_is_refused(
    given_item: dict[str, Any], code: str, param: str
) -> None:
    """The field that is missing or wrong is named."""
    with pytest.raises(BadEvent) as caught:
        msgspec.convert(given_item, Item).made_by_client("item_1")

    assert (caught.value.reason, caught.value.param) == (code, param)


def test_an_assistants_words_are_taken_by_their_older_name() -> None:
    """Beta said text where GA says output_text."""
    part = {"type": "text", "text": "Hello."}
    given_item = {"type": "message", "role": "assistant", "content": [part], "status": "incomplete"}

    made = msgspec.convert(given_item, Item).made_by_client("item_1")

    assert made.told() == {
        "id": "item_1",
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": ({"type": "output_text", "text": "Hello."},),
    }


def test_a_conversation_has_bounds() -> None:
    """In items and in characters."""
    long = Content(type="input_text", text="x" * 64_000)
    many, much = Conversation(), Conversation()
    for number in range(MAX_ITEMS):
        many.add(item(f"item_{number}"))
        assert number % 500 or not many.is_full
    while not much.is_full:
        name = f"item_{len(much.items())}"
        much.add(Item(id=name, type="message", role="user", content=(long,)))

    assert many.is_full
    assert sum(held.chars for held in much.items()) - 64_000 < MAX_CHARS


def test_what_changes_and_what_is_deleted_makes_room() -> None:
    """What is held is counted as it changes, and is what the items hold."""
    long = Content(type="input_text", text="x" * 64_000)
    held = Conversation()
    while not held.is_full:
        name = f"item_{len(held.items())}"
        held.add(Item(id=name, type="message", role="user", content=(long,)), FIRST)

    held.change(item("item_0"))
    after_a_change = held.is_full
    held.add(Item(id="item_more", type="message", role="user", content=(long, long)))
    after_more = held.is_full
    for known in held.items():
        held.remove(known.id or "")
    held.add(item("item_0"))

    assert (after_a_change, after_more, held.is_full) == (False, True, False)


def test_a_message_has_as_many_parts_as_people_need() -> None:
    """All of them are read with every answer."""
    parts = [{"type": "input_text", "text": "x"}] * 17
    given_item = {"type": "message", "role": "user", "content": parts}

    with pytest.raises(msgspec.ValidationError, match="length <= 16"):
        msgspec.convert(given_item, Item)

    kept = msgspec.convert({**given_item, "content": parts[:16]}, Item)
    assert len(kept.content or ()) == 16
