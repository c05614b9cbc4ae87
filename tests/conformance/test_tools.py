"""A function's round trip: the model calls it, the client runs it, the model says the result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.conformance.dialects import BETA, GA, Dialect
from tests.e2e.upstream import LanguageModel

pytestmark = pytest.mark.model

ASKED = "What is the weather in Paris?"
RESULT = '{"sky": "clear"}'
PARAMETERS: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FUNCTION: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": PARAMETERS,
}
"""A function as Realtime and Responses have it."""


@pytest.mark.parametrize("dialect", [GA, BETA], ids=["ga", "beta"])
async def test_in_a_conversation(
    caller: AsyncOpenAI, language_model: LanguageModel, dialect: Dialect
) -> None:
    """The call comes piece by piece, its result goes in, and the answer to it is spoken."""
    async with dialect.talking(caller, tools=[FUNCTION]) as client:
        await client.type_text(ASKED)
        await client.connection.response.create()
        asked = (await client.until("response.done"))["response"]
        (call,) = asked["output"]
        output: Any = {"type": "function_call_output", "call_id": call["call_id"], "output": RESULT}
        await client.connection.conversation.item.create(item=output)
        await client.connection.response.create()
        answered = (await client.until("response.done"))["response"]

    deltas = client.of("response.function_call_arguments.delta")
    (whole,) = client.of("response.function_call_arguments.done")
    assert (asked["status"], call["name"]) == ("completed", "get_weather")
    assert len(deltas) > 1
    assert "".join(piece["delta"] for piece in deltas) == whole["arguments"] == call["arguments"]
    assert json.loads(call["arguments"]) == {"city": "Paris"}
    assert "get_weather" in language_model.offered[-1]
    assert language_model.asked[-1][-1]["role"] == "tool"
    assert RESULT in answered["output"][0]["content"][0]["transcript"]
    assert client.of(dialect.event("response.output_audio.delta"))


async def test_in_chat_completions(caller: AsyncOpenAI) -> None:
    """The SDK's accumulator makes one call of the pieces; the second request says its result."""
    tool: Any = {
        "type": "function",
        "function": {"name": "get_weather", "parameters": PARAMETERS},
    }
    messages: Any = [{"role": "user", "content": ASKED}]
    async with caller.chat.completions.stream(
        model="gpt-4o-mini", messages=messages, tools=[tool]
    ) as stream:
        said = (await stream.get_final_completion()).choices[0].message
    assert said.tool_calls
    (call,) = said.tool_calls
    messages += [
        said.model_dump(include={"role", "content", "tool_calls"}),
        {"role": "tool", "tool_call_id": call.id, "content": RESULT},
    ]
    answered = await caller.chat.completions.create(
        model="gpt-4o-mini", messages=messages, tools=[tool]
    )

    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert RESULT in (answered.choices[0].message.content or "")


async def test_in_responses(caller: AsyncOpenAI) -> None:
    """The result goes to the response that called."""
    first = await caller.responses.create(model="gpt-4o-mini", input=ASKED, tools=[FUNCTION])
    (call,) = first.output
    assert call.type == "function_call"
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    second = await caller.responses.create(
        model="gpt-4o-mini", input=[output], previous_response_id=first.id, tools=[FUNCTION]
    )

    assert json.loads(call.arguments) == {"city": "Paris"}
    assert RESULT in second.output_text
