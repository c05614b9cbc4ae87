"""Chat completions, asked by the official client."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from schemas.llm import GenerateRequest
from services.faults import Fault, FaultPlan
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from tests.edge.openai.serving import REPLY, api, llm
from tests.workers import until_done
from voicebus.errors import ContextTooLong

ASK: Any = [{"role": "user", "content": "hello"}]
LOOK: Any = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks around.",
        "parameters": {"type": "object", "properties": {"where": {"type": "string"}}},
    },
}


async def test_a_chat_is_answered(nats_server: str) -> None:
    """Words, why they ended, how many they were, and the model as it was named."""
    async with api(nats_server, llm()) as served:
        said = await served.sdk.chat.completions.create(model="gpt-4o-mini", messages=ASK)

    assert said.choices[0].message.content == REPLY
    assert said.choices[0].message.role == "assistant"
    assert said.choices[0].finish_reason == "stop"
    assert said.model == "gpt-4o-mini"
    assert said.id.startswith("chatcmpl-")
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (1, 7)


async def test_a_stream_is_the_same_words(nats_server: str) -> None:
    """The role first, the reason last, then the count if it was asked for."""
    async with api(nats_server, llm()) as served:
        stream = await served.sdk.chat.completions.create(
            model="synthetic",
            messages=ASK,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]

    *words, last, count = chunks
    assert words[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in words) == REPLY
    assert [chunk.choices[0].finish_reason for chunk in (*words, last)][-2:] == [None, "stop"]
    assert count.choices == []
    assert count.usage is not None
    assert count.usage.total_tokens == 8
    assert {chunk.usage for chunk in (*words, last)} == {None}
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_events_of_a_stream_end_with_done(nats_server: str) -> None:
    """As other clients than the SDK read them; without usage, no chunk has the field."""
    body = {"model": "synthetic", "messages": ASK, "stream": True}
    async with api(nats_server, llm()) as served:
        answer = await served.http.post("/v1/chat/completions", json=body)

    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.split("\n\n")
    assert all(line.startswith("data: ") for line in lines[:-1])
    assert lines[-2:] == ["data: [DONE]", ""]
    assert "usage" not in answer.text


async def test_several_answers_come_side_by_side(nats_server: str) -> None:
    """Each is a reply of its own; the request's tokens count once."""
    async with api(nats_server, llm()) as served:
        said = await served.sdk.chat.completions.create(model="synthetic", messages=ASK, n=3)

    assert [choice.index for choice in said.choices] == [0, 1, 2]
    assert {choice.message.content for choice in said.choices} == {REPLY}
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (1, 21)


async def test_a_reply_ends_at_its_bound_and_in_front_of_a_stop(nats_server: str) -> None:
    """Both go through to the model."""
    async with api(nats_server, llm()) as served:
        create = served.sdk.chat.completions.create
        short = await create(model="synthetic", messages=ASK, max_completion_tokens=2)
        stopped = await create(model="synthetic", messages=ASK, stop=" This")

    assert short.choices[0].message.content == "Hello there."
    assert short.choices[0].finish_reason == "length"
    assert stopped.choices[0].message.content == "Hello there."
    assert stopped.choices[0].finish_reason == "stop"


async def test_a_function_is_called_and_its_result_is_answered(nats_server: str) -> None:
    """The whole round, as agents make it."""
    async with api(nats_server, llm()) as served:
        create = served.sdk.chat.completions.create
        wish = await create(model="synthetic", messages=ASK, tools=[LOOK], tool_choice="required")
        message = wish.choices[0].message
        assert message.tool_calls is not None
        (call,) = message.tool_calls
        result: Any = {"role": "tool", "tool_call_id": call.id, "content": "a cat"}
        chat: Any = [*ASK, message.model_dump(exclude_none=True), result]
        said = await create(
            model="synthetic",
            messages=chat,
            tools=[LOOK],
        )

    assert wish.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("look", "{}")
    assert said.choices[0].message.content == REPLY


async def test_a_call_is_streamed_in_pieces(nats_server: str) -> None:
    """Id and name come first; the arguments are put together from what follows."""
    async with api(nats_server, llm()) as served:
        named: Any = {"type": "function", "function": {"name": "look"}}
        stream = await served.sdk.chat.completions.create(
            model="synthetic", messages=ASK, tools=[LOOK], tool_choice=named, stream=True
        )
        chunks = [chunk async for chunk in stream]

    pieces = [piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or []]
    assert pieces[0].id
    assert pieces[0].function is not None
    assert pieces[0].function.name == "look"
    assert [piece.id for piece in pieces[1:]] == [None] * (len(pieces) - 1)
    assert "".join(p.function.arguments or "" for p in pieces if p.function) == "{}"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_what_is_wrong_is_named(nats_server: str) -> None:
    """400, and the field; the SDK raises what it raises at OpenAI."""
    async with api(nats_server, llm()) as served:
        with pytest.raises(openai.BadRequestError) as refused:
            await served.sdk.chat.completions.create(model="synthetic", messages=ASK, n=0)
        broken = await served.http.post("/v1/chat/completions", content=b"{")

    assert (refused.value.param, refused.value.type) == ("n", "invalid_request_error")
    assert broken.status_code == 400
    assert broken.json()["error"]["code"] == "invalid_json"


async def test_unknown_fields_are_passed_over(nats_server: str) -> None:
    """Clients send what other servers understand, and nulls for what they do not want."""
    body = {
        "model": "synthetic",
        "messages": [{"role": "user", "content": "hello", "cache_control": {}}],
        "keep_alive": "5m",
        "tools": None,
        "stream": None,
        "stop": None,
    }
    async with api(nats_server, llm()) as served:
        said = await served.http.post("/v1/chat/completions", json=body)

    assert said.json()["choices"][0]["message"]["content"] == REPLY


async def test_a_body_that_is_too_large_is_refused(nats_server: str) -> None:
    """Before it is read, by what it says of itself."""
    settings = {"openai_max_body_bytes": 1000}
    body = {"model": "synthetic", "messages": [{"role": "user", "content": "x" * 2000}]}
    async with api(nats_server, llm(), settings) as served:
        refused = await served.http.post("/v1/chat/completions", json=body)

    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "upload_too_large"


async def test_a_failing_model_is_an_error_with_a_status(nats_server: str) -> None:
    """What fails before the first word; whoever streams is told in the same way."""
    broken = SyntheticEngine(
        SyntheticSettings(fault=FaultPlan(fault=Fault.HANG), token_timeout_s=0.1)
    )
    async with api(nats_server, llm(broken)) as served:
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as failed:
                await served.sdk.chat.completions.create(
                    model="synthetic", messages=ASK, stream=stream
                )
            assert failed.value.status_code == 504
            assert failed.value.code == "engine_timeout"


async def test_a_model_that_fails_in_the_middle_ends_the_stream_with_an_error(
    nats_server: str,
) -> None:
    """Behind the first words there is no status any more: the error is an event."""
    plan = FaultPlan(fault=Fault.HANG, after=2)
    broken = SyntheticEngine(SyntheticSettings(fault=plan, token_timeout_s=0.2, tokens_per_s=20))
    async with api(nats_server, llm(broken)) as served:
        stream = await served.sdk.chat.completions.create(
            model="synthetic", messages=ASK, stream=True
        )
        with pytest.raises(openai.APIError) as failed:
            async for _ in stream:
                pass

    assert failed.value.code == "engine_timeout"


async def test_a_chat_that_is_too_long_is_the_client_s_mistake(nats_server: str) -> None:
    """With the code by which clients know that they have to shorten it."""

    class Short(SyntheticEngine):
        async def generate(self, request: GenerateRequest) -> Any:
            raise ContextTooLong("The conversation is too long for the language model.")
            yield

    async with api(nats_server, llm(Short(SyntheticSettings()))) as served:
        with pytest.raises(openai.BadRequestError) as refused:
            await served.sdk.chat.completions.create(model="synthetic", messages=ASK)

    assert refused.value.code == "context_length_exceeded"


async def test_without_a_worker_the_client_is_to_come_back(nats_server: str) -> None:
    """503 with Retry-After, and not a silence."""
    async with api(nats_server, {}) as served:
        with pytest.raises(openai.InternalServerError) as refused:
            await served.sdk.chat.completions.create(model="gpt-4o-mini", messages=ASK)

    assert refused.value.status_code == 503
    assert refused.value.response.headers["retry-after"] == "5"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_worker(nats_server: str, stream: bool) -> None:
    """Nobody reads the rest: the job is done, the session is closed."""
    slow = SyntheticEngine(SyntheticSettings(reply="word " * 5_000, tokens_per_s=10))
    async with api(nats_server, llm(slow)) as served:
        body = {"model": "synthetic", "messages": ASK, "stream": stream}
        asking = asyncio.create_task(served.http.post("/v1/chat/completions", json=body))
        async with asyncio.timeout(10):
            while not len(served.sessions):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        asking.cancel()
        await asyncio.wait((asking,))
        async with asyncio.timeout(10):
            while len(served.sessions):
                await asyncio.sleep(0.01)
        await until_done(served.bus, "llm")
        left = len(served.sessions)

    assert left == 0


async def test_several_answers_are_streamed_beside_each_other(nats_server: str) -> None:
    """n: each piece says whose it is; every answer begins, is whole and ends once."""
    async with api(nats_server) as served:
        stream = await served.sdk.chat.completions.create(
            model="synthetic",
            messages=ASK,
            n=3,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]

    texts, roles = ["", "", ""], [0, 0, 0]
    reasons: list[list[str]] = [[], [], []]
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        texts[choice.index] += choice.delta.content or ""
        roles[choice.index] += choice.delta.role == "assistant"
        reasons[choice.index] += [choice.finish_reason] if choice.finish_reason else []
    assert texts == [REPLY] * 3
    assert roles == [1, 1, 1]
    assert reasons == [["stop"]] * 3
    usage = chunks[-1].usage
    assert usage is not None
    assert (chunks[-1].choices, usage.completion_tokens % 3) == ([], 0)
