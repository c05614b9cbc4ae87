"""What a server takes is found out when it is warmed; several are warmed side by side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from services.llm.providers import Provider, Providers
from tests.services.llm.asking import ASK, asking, reply_of
from tests.services.llm.providing import providing, saying
from tests.services.llm.upstream import Script, Upstream, failing, hanging, replying, text_event
from tests.workers import until
from voicebus.errors import EngineError, RequestRefused

LISTED = {"object": "list", "data": [{"id": "base"}, {"id": "adapter-a"}, {"id": "adapter-b"}]}


def picky(takes: Callable[[dict[str, Any]], bool]) -> Script:
    """Refuse what has something in it that this server does not know."""

    async def script(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        is_taken = takes(upstream.bodies[-1])
        answer = replying(text_event("Hello", "stop")) if is_taken else failing(400, {})
        await answer(upstream, writer)

    return script


@pytest.mark.parametrize(
    ("takes", "lacks"),
    [
        (lambda body: "reasoning_effort" not in body, {"reasoning_effort"}),
        (lambda body: "temperature" not in body, {"temperature"}),
        (lambda body: "max_tokens" not in body, {"max_tokens"}),
        (lambda body: "stream_options" not in body, {"stream_options"}),
    ],
    ids=["a field of its own", "temperature", "the older bound", "counting"],
)
async def test_a_server_gets_what_it_takes(
    takes: Callable[[dict[str, Any]], bool], lacks: set[str]
) -> None:
    """Refused once when it is warmed; a turn is not refused any more."""
    async with asking(picky(takes), extra_body={"reasoning_effort": "none"}) as (engine, upstream):
        await engine.warm()
        assert [piece.text for piece in await reply_of(engine)] == ["Hello", ""]

    *_, last = upstream.bodies
    assert not lacks & last.keys()
    assert {"max_tokens", "max_completion_tokens"} & last.keys()


async def test_a_server_that_refuses_everything_is_not_bent_to() -> None:
    """The refusal is told, and the settings stay as they were."""
    async with asking(failing(400, {})) as (engine, upstream):
        with pytest.raises(RequestRefused):
            await engine.warm()
        with pytest.raises(RequestRefused):
            await reply_of(engine)

    assert "temperature" in upstream.bodies[-1]


async def test_a_server_of_ours_is_asked_for_all_that_it_has() -> None:
    """A model without a name is its first; adapters may be asked for by theirs."""

    async def script(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        if upstream.bodies[-1] is not None:
            return await replying(text_event("Hello", "stop"))(upstream, writer)
        content = json.dumps(LISTED).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(content) + content)
        await writer.drain()

    async with asking(script, model="", lists_models=True) as (engine, upstream):
        await engine.warm()
        providers = Providers([Provider(name="house", engine=engine)])

    assert engine.model == "base"
    assert providers.models() == ("base", "adapter-a", "adapter-b")
    assert upstream.bodies[-1]["model"] == "base"


async def test_the_first_that_is_warm_is_enough() -> None:
    """The worker is ready; who is not there yet is asked last until it is."""
    is_there = asyncio.Event()

    async def late(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        script = saying("Hello") if is_there.is_set() else failing(503, {})
        await script(upstream, writer)

    async with providing(late, saying("Hello")) as (providers, _):
        await asyncio.wait_for(providers.warm(), 10)
        assert [p.name for p in providers.order(ASK, begun=False)] == ["b", "a"]
        is_there.set()
        await until(lambda: [p.name for p in providers.order(ASK, begun=False)] == ["a", "b"])
        await providers.close()


async def test_who_asks_for_a_pause_gets_it_while_it_is_warmed() -> None:
    """Asked again before its time, a limited key would be limited for longer."""
    limited = failing(429, {}, "retry-after: 60")
    async with providing(limited, failing(503, {}), saying("Hello")) as (providers, upstreams):
        await asyncio.wait_for(providers.warm(), 10)
        asked, busy, _ = (upstream.bodies for upstream in upstreams)
        await until(lambda: len(busy) > 2, 20)
        assert len(asked) == 1
        await providers.close()


async def test_a_turn_that_was_answered_says_more_than_a_warming_that_fails() -> None:
    """As with a server that refuses the warming's plain request for a while."""
    async with providing(failing(503, {}), saying("Hello")) as (providers, (refusing, _)):
        await asyncio.wait_for(providers.warm(), 10)
        first, _ = sorted(providers.order(ASK, begun=False), key=lambda provider: provider.name)
        providers.answered(first)
        asked = len(refusing.bodies)
        await until(lambda: len(refusing.bodies) > asked + 1, 20)
        assert [p.name for p in providers.order(ASK, begun=False)] == ["a", "b"]
        await providers.close()


async def test_when_none_can_ever_answer_the_worker_does_not_start() -> None:
    """Both are set up wrongly: that is told at the start."""
    async with providing(failing(404, {}), failing(400, {})) as (providers, _):
        with pytest.raises(EngineError):
            await asyncio.wait_for(providers.warm(), 10)
        await providers.close()


async def test_one_that_is_set_up_wrongly_does_not_stop_the_others() -> None:
    """It is told in the log, and asked last."""
    async with providing(failing(404, {}), saying("Hello")) as (providers, _):
        await asyncio.wait_for(providers.warm(), 10)
        await asyncio.sleep(0.1)
        assert [p.name for p in providers.order(ASK, begun=False)] == ["b", "a"]
        await providers.close()


async def test_a_worker_can_be_stopped_while_it_waits_for_all() -> None:
    """Nothing is left running."""
    async with providing(hanging(), hanging()) as (providers, _):
        warming = asyncio.create_task(providers.warm())
        await asyncio.sleep(0.05)
        warming.cancel()
        await asyncio.wait((warming,))
        await providers.close()

        assert warming.cancelled()
