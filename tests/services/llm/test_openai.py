from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing

import pytest

from schemas.llm import GenerateRequest, Message
from services.llm.engine import Piece
from services.llm.engines.openai import OpenAIEngine, OpenAISettings
from tests.services.llm.asking import ASK, DONE, SECRET, asking, failure_of, reply_of
from tests.services.llm.upstream import (
    Dripping,
    Script,
    Upstream,
    event,
    failing,
    hanging,
    replying,
    resetting,
    serving,
    text_event,
)
from tests.timing import expect_within
from voicebus.errors import (
    ConfigError,
    ContextTooLong,
    EngineError,
    EngineOverloaded,
    EngineTimeout,
    EngineUnavailable,
    RequestRefused,
    UnknownModel,
)


async def test_pieces_come_in_order_and_the_last_one_says_why_it_ended() -> None:
    """Text comes as it was streamed; the reason and the count of tokens come last."""
    usage = event({"choices": [], "usage": {"completion_tokens": 7}})
    first = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]})
    script = replying(first, text_event("Hello"), text_event(" you"), text_event("", "stop"), usage)

    async with asking(script) as (engine, _):
        pieces = await reply_of(engine)

    assert pieces == [Piece("Hello"), Piece(" you"), Piece("", finish_reason="stop", tokens=7)]


async def test_a_reply_without_usage_and_without_done_is_complete() -> None:
    """Servers that count nothing, or keep the stream open behind the end, are understood."""
    async with asking(hanging(text_event("Hello", "length"))) as (engine, _):
        pieces = await reply_of(engine)

    assert pieces == [Piece("Hello"), Piece("", finish_reason="length")]


async def test_the_request_goes_upstream_as_it_is() -> None:
    """Messages, model, bound and temperature of the request are sent; the settings fill gaps."""
    request = GenerateRequest(
        messages=(Message(role="system", content="Be brief."), Message(role="user", content="é")),
        model="model-b",
        max_tokens=5,
        temperature=0.9,
    )
    async with asking(replying(text_event("x", "stop")), extra_body={"cache_prompt": True}) as (
        engine,
        upstream,
    ):
        await reply_of(engine, request)
        await reply_of(engine, ASK)

    asked, filled = upstream.bodies
    assert asked == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "é"},
        ],
        "model": "model-b",
        "max_tokens": 5,
        "temperature": 0.9,
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": True,
    }
    assert (filled["model"], filled["max_tokens"], filled["temperature"]) == ("model-a", 120, 0.0)


async def test_nobody_listening_is_unavailable() -> None:
    """A refused connection is told as such, without the address."""
    async with serving(replying()) as upstream:
        url = upstream.url
    await asyncio.sleep(0.05)
    engine = OpenAIEngine(OpenAISettings(base_url=url))

    with pytest.raises(EngineUnavailable, match=r"^The language model cannot be reached\.$"):
        await reply_of(engine)


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (failing(401, {"error": {"message": SECRET}}), EngineUnavailable, "credentials"),
        (failing(403, {}), EngineUnavailable, "credentials"),
        (failing(404, {"error": {"message": "no"}}), UnknownModel, "has no model 'model-a'"),
        (failing(429, {}, "retry-after: 7"), EngineOverloaded, "Come back in 7 s"),
        (failing(429, {}, "retry-after: <b>soon</b>"), EngineOverloaded, r"overloaded\.$"),
        (failing(429, {}, f"retry-after: {'9' * 400}"), EngineOverloaded, r"overloaded\.$"),
        (failing(503, {"error": "loading"}), EngineOverloaded, "overloaded"),
        (failing(500, "oops"), EngineUnavailable, "failed"),
        (failing(504, {}), EngineTimeout, "in time"),
        (failing(400, {"error": {"code": "context_length_exceeded"}}), ContextTooLong, "too long"),
        (failing(400, {"error": {"message": "bad"}}), RequestRefused, "refused the request"),
        (failing(302, {}, "location: http://127.0.0.1:1/"), EngineError, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_upstream_refusal_is_told_in_a_sentence(
    script: Script, kind: type[EngineError], words: str
) -> None:
    """Each status has its class and its sentence, with neither addresses nor upstream texts."""
    error, pieces = await failure_of(script)

    assert type(error) is kind
    assert re.search(words, str(error))
    assert pieces == []


@pytest.mark.parametrize(
    ("script", "kind", "before"),
    [
        (hanging(), EngineTimeout, []),
        (hanging(text_event("Hello")), EngineTimeout, ["Hello"]),
        (Dripping("Hello", {"content": ""}), EngineTimeout, ["Hello"]),
        (Dripping("Hello", {"reasoning_content": "Well"}), EngineTimeout, ["Hello"]),
        (replying(), EngineError, []),
        (replying(text_event("Hello")), EngineError, ["Hello"]),
        (replying(text_event("Hello"), DONE), EngineError, ["Hello"]),
        (resetting(text_event("Hello")), EngineError, ["Hello"]),
        (replying(text_event("Hello"), b"data: {not json\n\n"), EngineError, ["Hello"]),
        (replying(text_event("Hello"), b"data: \xff\xfe\n\n"), EngineError, ["Hello"]),
        (replying(event({"error": {"message": SECRET, "code": 500}})), EngineError, []),
        (replying(event({"error": {"message": "x", "code": 429}})), EngineOverloaded, []),
        (replying(event([1]), event(3), event({"choices": 5})), EngineError, []),
        (replying(event({"choices": [{"delta": {"content": 5}}]})), EngineError, []),
        (replying(b"<html>hello</html>"), EngineError, []),
    ],
    ids=[
        "hangs before the first token",
        "hangs in the middle",
        "only shows that it lives",
        "only thinks",
        "says nothing",
        "ends without a reason",
        "is done without a reason",
        "is reset in the middle",
        "no json",
        "no utf-8",
        "error object",
        "overloaded object",
        "wrong shapes",
        "content is no text",
        "a web page",
    ],
)
async def test_a_reply_that_goes_wrong_ends_in_an_error(
    script: Script, kind: type[EngineError], before: list[str]
) -> None:
    """What was streamed is handed out, then the error comes; it never looks complete."""
    error, pieces = await failure_of(script)

    assert type(error) is kind
    assert [piece.text for piece in pieces] == before
    assert not any(piece.finish_reason for piece in pieces)


async def test_a_connection_closed_before_the_answer_is_tried_once_more() -> None:
    """A kept connection that the server has just closed costs no turn."""

    async def script(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        if len(upstream.bodies) > 1:
            await replying(text_event("Hello", "stop"))(upstream, writer)

    async with asking(script) as (engine, upstream):
        pieces = await reply_of(engine)

    assert pieces[0].text == "Hello"
    assert len(upstream.bodies) == 2


async def test_a_server_that_always_closes_is_asked_twice_and_no_more() -> None:
    """There is one retry, no loop."""

    async def script(_: Upstream, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with asking(script) as (engine, upstream):
        with pytest.raises(EngineError):
            await reply_of(engine)

    assert len(upstream.bodies) == 2


async def test_closing_the_reply_closes_the_upstream_within_50_ms() -> None:
    """``aclose`` returns, and the server sees the connection go, within 50 ms."""

    async def close() -> float:
        async with asking(hanging(text_event("Hello"))) as (engine, upstream):
            async with aclosing(engine.generate(ASK)) as pieces:
                assert (await anext(pieces)).text == "Hello"
                begun_s = time.perf_counter()
            await asyncio.wait_for(upstream.left.wait(), 1)
            return time.perf_counter() - begun_s

    await expect_within(0.05, close)


@pytest.mark.parametrize("script", [hanging(), hanging(text_event("Hello"))])
async def test_cancelling_who_waits_for_a_token_closes_the_upstream_within_50_ms(
    script: Script,
) -> None:
    """A task that is cancelled while it waits leaves no stream behind, whatever it waits for."""

    async def cancel() -> float:
        async with asking(script, first_token_timeout_s=9, next_token_timeout_s=9) as (
            engine,
            upstream,
        ):
            task = asyncio.ensure_future(reply_of(engine))
            await asyncio.sleep(0.15)
            begun_s = time.perf_counter()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(upstream.left.wait(), 1)
            return time.perf_counter() - begun_s

    await expect_within(0.05, cancel)


async def test_without_a_model_the_first_of_the_server_is_taken() -> None:
    """``warm`` asks the server for its models and its first one is used."""

    async def script(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        if upstream.bodies[-1] is None:
            await failing(200, {"object": "list", "data": [{"id": "only"}]})(upstream, writer)
        else:
            await replying(text_event("x", "length"))(upstream, writer)

    async with asking(script, model="", warm_prompt="Be brief.") as (engine, upstream):
        await engine.warm()

    assert engine.model == "only"
    assert upstream.bodies[-1]["model"] == "only"
    assert upstream.bodies[-1]["max_tokens"] == 1
    assert upstream.bodies[-1]["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_the_key_of_the_environment_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the user set for a cloud never goes to the server on this machine."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    sent: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = OpenAIEngine(OpenAISettings(base_url=f"http://127.0.0.1:{port}/v1"))

    with pytest.raises(EngineError):
        await reply_of(engine)
    server.close()

    assert sent
    assert SECRET.encode() not in b"".join(sent)


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none_is_a_settings_error(url: str) -> None:
    """A wrong address is told at the start, not in the first turn."""
    with pytest.raises(ConfigError):
        OpenAIEngine(OpenAISettings(base_url=url))
