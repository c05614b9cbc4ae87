"""What is asked of chat completions, and what a worker is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.openai.body import decoded
from edge.openai.chat_request import ChatRequest, generate
from edge.openai.errors import BadRequest
from schemas.llm import GenerateRequest, Message, Sampling, Tool, ToolCall

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def told(**fields: Any) -> GenerateRequest:
    """What a worker is told for a body with these fields."""
    body = json.dumps({**ASK, **fields}).encode()
    return generate(decoded(body, ChatRequest), "model", 100)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0]",
        ),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": 3}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"model": 5}, "model"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], param: str) -> None:
    """The field, as the client wrote it."""
    with pytest.raises(BadRequest) as refused:
        told(**wrong)

    assert refused.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 100_000])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """Whatever it is, it is the client's mistake."""
    with pytest.raises(BadRequest):
        decoded(body, ChatRequest)


def test_a_bare_request_leaves_the_choice_to_the_worker() -> None:
    """But for the bound: a worker's own is that of a spoken reply."""
    assert told() == GenerateRequest(
        messages=(Message(role="user", content="hello"),),
        model="model",
        max_tokens=100,
        spoken=False,
    )


def test_everything_that_a_model_understands_goes_through() -> None:
    """Schemas to the letter: key order and all."""
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    asked = told(
        max_tokens=5,
        temperature=0,
        top_p=0.5,
        frequency_penalty=0.25,
        presence_penalty=0,
        seed=0,
        stop=["a", "b"],
        tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}],
        tool_choice="auto",
        parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
    )

    assert asked.max_tokens == 5
    assert asked.temperature == 0
    assert asked.sampling == Sampling(
        top_p=0.5, frequency_penalty=0.25, presence_penalty=0, seed=0, stop=("a", "b")
    )
    assert asked.tools == (Tool(name="f", parameters=json.dumps(schema)),)
    assert (asked.tool_choice, asked.parallel_tool_calls) == ("auto", False)
    assert json.loads(asked.response_format)["json_schema"]["schema"] == schema


def test_a_conversation_with_tools_keeps_who_said_what() -> None:
    """Parts are joined, the developer is the system, calls and results keep their ids."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked = told(
        messages=[
            {
                "role": "developer",
                "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ]
    )

    assert asked.messages == (
        Message(role="system", content="Be brief."),
        Message(
            role="assistant",
            content="",
            tool_calls=(ToolCall(id="c1", name="f", arguments="{}"),),
        ),
        Message(role="tool", content="42", tool_call_id="c1"),
    )
