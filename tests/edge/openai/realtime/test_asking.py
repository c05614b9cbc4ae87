"""What the workers are asked."""

from __future__ import annotations

from typing import Any

import pytest

from edge.openai.realtime.asking import (
    GO_ON,
    LONGEST_CHARS,
    Naming,
    listening_of,
    messages_of,
    order_of,
    wanted_of,
)
from edge.openai.realtime.client import Asked
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.items import Content, Conversation, Item
from edge.openai.realtime.session import FunctionTool, Session
from schemas.codec import decode, encode
from schemas.stt import TranscribeRequest


def text(role: str, words: str) -> Item:
    """A message."""
    part = Content(type="input_text", text=words)
    return Item(type="message", role=role, content=(part,))  # type: ignore[arg-type]  # one of three


def said(instructions: str, *items: Item) -> list[tuple[str, str]]:
    """The chat that these are."""
    return [(message.role, message.content) for message in messages_of(instructions, items)]


def test_what_one_of_the_two_said_in_pieces_is_one_message() -> None:
    """Chat templates want roles to alternate; empty items are none."""
    assert said("Rules.", text("user", "A."), text("user", ""), text("user", "B.")) == [
        ("system", "Rules."),
        ("user", "A. B."),
    ]


def test_an_answer_after_an_answer_is_asked_for() -> None:
    """Else the model would go on in the middle of its own sentence."""
    assert said("", text("user", "A."), text("assistant", "B."))[-1] == ("user", GO_ON)


def test_instructions_alone_are_a_question() -> None:
    """Greet the user, say; without either there is nothing to ask."""
    assert said("Greet the user.") == [("user", "Greet the user.")]
    with pytest.raises(BadEvent) as caught:
        said("")
    assert caught.value.reason == "conversation_empty"


def test_a_conversation_without_end_is_handed_on_in_part() -> None:
    """The newest items; a message of the bus has a size."""
    items = tuple(text("user" if n % 2 else "system", "x" * 9_000) for n in range(40))

    handed = messages_of("", items)

    assert LONGEST_CHARS - 9_000 < sum(len(message.content) for message in handed) <= LONGEST_CHARS


def test_a_request_that_no_message_can_carry_is_refused() -> None:
    """The client is told; the session goes on."""
    tool = FunctionTool(name="f", description="x" * 950_000)
    wanted = wanted_of(Session(), Asked(tools=(tool,)), Conversation())

    with pytest.raises(BadEvent) as caught:
        order_of(wanted, (text("user", "A."),), Naming(), 0)

    assert caught.value.reason == "request_too_large"


def test_names_of_clients_become_those_of_workers() -> None:
    """A voice by a further name, and the model that the session was opened for."""
    session = Session().changed({"audio": {"output": {"voice": {"id": "alloy"}, "speed": 1.5}}})
    wanted = wanted_of(session, Asked(), Conversation())

    order = order_of(wanted, (text("user", "A."),), Naming(model="m", voices={"alloy": "joe"}), 3)

    assert order.speak is not None
    assert (order.seq, order.generate.model, order.speak.voice) == (3, "m", "joe")
    assert (order.speak.speed, order.speak.rate_hz) == (1.5, 24_000)


@pytest.mark.parametrize(
    ("choice", "asked", "name"),
    [("none", "none", ""), ("required", "required", ""), ({"name": "f"}, "required", "f")],
)
def test_a_choice_of_tools_is_handed_on(choice: Any, asked: str, name: str) -> None:
    """By its word, or by the function's name."""
    session = Session().changed({"tools": [{"name": "f"}], "tool_choice": choice})
    wanted = wanted_of(session, None, Conversation())

    generate = order_of(wanted, (text("user", "A."),), Naming(), 0).generate

    assert (generate.tool_choice, generate.tool_name) == (asked, name)


HEARING: list[tuple[dict[str, Any], tuple[str, str, int, str]]] = [
    ({"turn_detection": None}, ("manual", "balanced", 0, "")),
    (
        {"turn_detection": {"type": "server_vad", "silence_duration_ms": 700}},
        ("pause", "balanced", 700, ""),
    ),
    (
        {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}},
        ("pause", "patient", 0, ""),
    ),
    ({"transcription": {"language": "en-US"}}, ("pause", "balanced", 500, "en")),
    *(
        ({"transcription": {"language": language}}, ("pause", "balanced", 500, ""))
        for language in ("klingon", "12", "e!", "\u00e9n")
    ),
]


@pytest.mark.parametrize(("heard", "expected"), HEARING)
def test_the_recogniser_listens_as_the_session_says(
    heard: dict[str, Any], expected: tuple[str, str, int, str]
) -> None:
    """Whose turn it is to end, by which pause, in which language."""
    asked = listening_of(Session().changed({"audio": {"input": heard}}))
    read = decode(encode(asked))  # as a worker does

    assert isinstance(read, TranscribeRequest)
    settings = read.settings
    ends = settings.end_of_turn
    assert (settings.turn_taking, ends.policy, ends.max_hold_ms, settings.language) == expected
