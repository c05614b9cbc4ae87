"""The official Python client against whole systems: every REST route, as people call it."""

from __future__ import annotations

import io
from typing import Any

import av
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

pytestmark = pytest.mark.model

ASK: Any = [{"role": "user", "content": "Say hello."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Animal(BaseModel):
    """What a structured answer is read into."""

    name: str
    legs: int


async def test_models_are_listed(synthetic: AsyncOpenAI) -> None:
    """Those of the workers, and the names that every client knows."""
    listed = {model.id async for model in synthetic.models.list()}

    assert {"synthetic", "gpt-4o-mini", "tts-1", "whisper-1"} <= listed


async def test_the_sdk_streams_a_chat_with_its_helpers(synthetic: AsyncOpenAI) -> None:
    """Its accumulator, which knows every rule of the chunks, gets to the end."""
    async with synthetic.chat.completions.stream(model="gpt-4o-mini", messages=ASK) as stream:
        kinds = {event.type async for event in stream}
        said = await stream.get_final_completion()

    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert said.choices[0].message.content
    assert said.choices[0].finish_reason == "stop"


async def test_the_sdk_streams_a_call_with_its_helpers(synthetic: AsyncOpenAI) -> None:
    """The pieces of the arguments make up what it parses."""
    async with synthetic.chat.completions.stream(
        model="gpt-4o-mini", messages=ASK, tools=[WEATHER], tool_choice="required"
    ) as stream:
        kinds = [event.type async for event in stream]
        said = await stream.get_final_completion()

    assert "tool_calls.function.arguments.done" in kinds
    calls = said.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.name == "get_weather"


async def test_the_sdk_streams_a_response_with_its_helpers(synthetic: AsyncOpenAI) -> None:
    """It checks that every event belongs to an item that is open."""
    async with synthetic.responses.stream(model="gpt-4o-mini", input="hello") as stream:
        events = [event async for event in stream]
        said = await stream.get_final_response()

    assert events[-1].type == "response.completed"
    assert said.output_text


async def test_the_sdk_does_not_try_again_what_is_wrong(synthetic: AsyncOpenAI) -> None:
    """A client's mistake is told once."""
    with pytest.raises(openai.NotFoundError) as refused:
        await synthetic.chat.completions.create(model="nobody", messages=ASK)

    assert refused.value.request_id


async def test_a_real_model_writes(real: AsyncOpenAI) -> None:
    """Whole and streamed, the same words at temperature 0, with the tokens that it counted."""
    asked: Any = {"model": "gpt-4o-mini", "messages": ASK, "temperature": 0, "max_tokens": 16}
    whole = await real.chat.completions.create(**asked)
    stream = await real.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    words = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert words == whole.choices[0].message.content
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert 0 < whole.usage.completion_tokens <= 16
    assert whole.usage.prompt_tokens > 3
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


async def test_a_real_model_fills_in_a_schema(real: AsyncOpenAI) -> None:
    """A structured answer, as the SDK's own helper asks for it and parses it."""
    said = await real.chat.completions.parse(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Describe a cat."}],
        response_format=Animal,
        max_tokens=100,
    )

    assert isinstance(said.choices[0].message.parsed, Animal)


async def test_a_real_conversation_goes_on_from_a_response(real: AsyncOpenAI) -> None:
    """The second response has read the first: its request has more tokens."""
    first = await real.responses.create(
        model="gpt-4o-mini", input="My name is Ann.", max_output_tokens=16
    )
    second = await real.responses.create(
        model="gpt-4o-mini",
        input="What is my name?",
        previous_response_id=first.id,
        max_output_tokens=16,
    )

    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens + 4
    assert second.output_text


async def test_a_real_voice_speaks(real: AsyncOpenAI) -> None:
    """A second and more of sound, in a file that FFmpeg reads."""
    async with real.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello, how are you today?", response_format="opus"
    ) as answer:
        data = await answer.read()
    with av.open(io.BytesIO(data), "r") as container:
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))

    assert answer.headers["content-type"] == "audio/opus"
    assert 1.0 < seconds < 5.0
