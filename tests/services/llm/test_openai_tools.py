"""Functions that a model wants to be called, and how it is told of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.llm import GenerateRequest, Message, Sampling, Tool, ToolCall
from services.llm.engine import Piece
from tests.services.llm.asking import asking, reply_of
from tests.services.llm.upstream import event, replying, text_event

SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}
PATIENT: dict[str, Any] = {"first_token_timeout_s": 10.0, "next_token_timeout_s": 10.0}
LOOK = Tool(name="look", description="Looks.", parameters=json.dumps(SCHEMA), strict=True)


def call_event(reason: str | None = None, **call: Any) -> bytes:
    """A chunk with a piece of a call."""
    delta = {"tool_calls": [call]} if call else {}
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


async def test_everything_that_a_request_holds_goes_upstream() -> None:
    """Tools, formats, sampling and a conversation with calls, in the words of the API."""
    request = GenerateRequest(
        messages=(
            Message(
                role="assistant",
                content="",
                tool_calls=(ToolCall(id="c1", name="look", arguments="{}"),),
            ),
            Message(role="tool", content="a cat", tool_call_id="c1"),
        ),
        spoken=False,
        sampling=Sampling(top_p=0.5, presence_penalty=0.0, seed=0, stop=("END",)),
        tools=(LOOK,),
        tool_name="look",
        parallel_tool_calls=False,
        response_format='{"type":"json_object"}',
    )
    async with asking(replying(text_event("x", "stop")), **PATIENT) as (engine, upstream):
        await reply_of(engine, request)

    (body,) = upstream.bodies
    function = {"name": "look", "description": "Looks.", "parameters": SCHEMA, "strict": True}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert body["parallel_tool_calls"] is False
    assert body["response_format"] == {"type": "json_object"}
    assert {name: body[name] for name in ("top_p", "presence_penalty", "seed", "stop")} == {
        "top_p": 0.5,
        "presence_penalty": 0.0,
        "seed": 0,
        "stop": ["END"],
    }
    assert body["messages"] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "content": "a cat", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        ('{"type":"object"}', {"type": "object", "properties": {}}),
        (
            '{"type":"object","additionalProperties":false}',
            {"type": "object", "additionalProperties": False, "properties": {}},
        ),
        (json.dumps(SCHEMA), SCHEMA),
        ("", None),
    ],
    ids=["bare", "bare and closed", "whole", "none"],
)
async def test_a_function_that_takes_nothing_says_so_as_openai_wants_it(
    told: str, sent: dict[str, Any] | None
) -> None:
    """An object without properties is refused there, and servers of functions write such ones."""
    request = GenerateRequest(
        messages=(Message(role="user", content="Look."),),
        tools=(Tool(name="look", parameters=told),),
    )
    async with asking(replying(text_event("x", "stop")), **PATIENT) as (engine, upstream):
        await reply_of(engine, request)

    (body,) = upstream.bodies
    assert body["tools"][0]["function"].get("parameters") == sent


async def test_what_a_request_does_not_say_is_not_sent() -> None:
    """Servers refuse fields that they do not know, and tools without any."""
    async with asking(replying(text_event("x", "stop")), **PATIENT) as (engine, upstream):
        await reply_of(engine)

    (body,) = upstream.bodies
    assert not {"tools", "tool_choice", "response_format", "stop", "seed", "top_p"} & set(body)


async def test_a_call_comes_in_the_pieces_in_which_it_was_streamed() -> None:
    """Name and id first, then the arguments; the tokens of both sides at the end."""
    script = replying(
        call_event(index=0, id="c1", type="function", function={"name": "look", "arguments": ""}),
        call_event(index=0, function={"arguments": '{"a":'}),
        call_event(index=0, function={"arguments": "1}"}),
        call_event("tool_calls"),
        event({"choices": [], "usage": {"completion_tokens": 7, "prompt_tokens": 30}}),
    )
    async with asking(script, **PATIENT) as (engine, _):
        pieces = await reply_of(engine)

    assert pieces == [
        Piece("", tool_calls=(ToolCall(id="c1", name="look"),)),
        Piece("", tool_calls=(ToolCall(arguments='{"a":'),)),
        Piece("", tool_calls=(ToolCall(arguments="1}"),)),
        Piece("", finish_reason="tool_calls", tokens=7, prompt_tokens=30),
    ]


@pytest.mark.parametrize(
    "calls", [5, ["x"], [{"function": 3}], [{"index": "a", "id": 4, "function": {"name": []}}]]
)
async def test_calls_of_any_shape_are_no_crash(calls: Any) -> None:
    """What a server sends instead of a call is an empty piece of one, or nothing."""
    strange = event({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]})
    async with asking(replying(strange, text_event("x", "stop")), **PATIENT) as (engine, _):
        pieces = await reply_of(engine)

    assert pieces[-1].finish_reason == "stop"
    assert all(call == ToolCall() for piece in pieces for call in piece.tool_calls)


@pytest.mark.parametrize("numbers", [(0, 0), (None, None), (0, 1), (3, 7)])
async def test_calls_are_numbered_whatever_the_server_makes_of_it(
    numbers: tuple[int | None, int | None],
) -> None:
    """Two calls at once stay two, and a reply that has some ends so that they are made."""
    events = []
    for name, number in zip("ab", numbers, strict=True):
        told: dict[str, Any] = {} if number is None else {"index": number}
        begun = {"name": "look", "arguments": "{"}
        events += [
            call_event(**told, id=name, function=begun),
            call_event(**told, function={"arguments": "}"}),
        ]
    async with asking(replying(*events, text_event("", "stop")), **PATIENT) as (engine, _):
        *pieces, last = await reply_of(engine)

    calls = [call for piece in pieces for call in piece.tool_calls]
    assert [(call.index, call.id, call.arguments) for call in calls] == [
        (0, "a", "{"),
        (0, "", "}"),
        (1, "b", "{"),
        (1, "", "}"),
    ]
    assert last.finish_reason == "tool_calls"
