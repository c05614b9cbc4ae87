"""Models that refuse functions: noticed once, told, and asked without them from then on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from schemas.event import Event
from schemas.llm import GenerateRequest, Message, Tool, ToolCall
from services.llm.asking import Asking
from services.llm.engines.openai_tools import KNOWN_S
from services.llm.providers import Provider, Providers
from services.llm.published import NOTHING
from services.llm.writer import Writer
from tests.metered import Growth
from tests.services.llm.asking import asking, reply_of
from tests.services.llm.providing import providing, saying
from tests.services.llm.upstream import Script, Upstream, failing, hanging
from tests.workers import until
from voicebus import metrics
from voicebus.errors import EngineError, EngineUnavailable, RequestRefused

AT = '{"type": "object", "properties": {"at": {"type": "string"}}}'
LOOK = Tool(name="look", description="Looks.", parameters=AT)
ASK = GenerateRequest(messages=(Message(role="user", content="Hello"),), tools=(LOOK,))


def without(status: int = 400, text: str = "Hello there.") -> Script:
    """Refuse whatever offers functions."""

    async def script(upstream: Upstream, sent: asyncio.StreamWriter) -> None:
        is_taken = "tools" not in upstream.bodies[-1]
        await (saying(text) if is_taken else failing(status, {}))(upstream, sent)

    return script


def choosy(name: str) -> Script:
    """Refuse functions of this name, as one whose schema is wrong, and those that take nothing."""

    async def script(upstream: Upstream, sent: asyncio.StreamWriter) -> None:
        told = [tool["function"] for tool in upstream.bodies[-1].get("tools", [])]
        is_wrong = any(one["name"] == name or not one["parameters"]["properties"] for one in told)
        await (failing(400, {}) if is_wrong else saying("Hello"))(upstream, sent)

    return script


class Nobody:
    """Hears what is written: who is asked for it counts here."""

    async def publish(self, event: Event) -> None:
        """Let it go."""


async def answered(providers: Providers, request: GenerateRequest = ASK) -> tuple[str, list[str]]:
    """What is answered, and whom it took."""
    asked = Asking(providers, request, NOTHING, Writer(Nobody(), request), list[str]().append)
    text = "".join([piece.text async for piece in asked.pieces()])
    return text, [attempt.provider.name for attempt in asked.attempts]


def counted(name: str) -> float:
    """How many requests went to a provider without the functions that they had."""
    return float(metrics.LLM_WITHOUT_TOOLS.labels(name)._value.get())


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_turn_is_answered_without_functions_where_nobody_takes_them(status: int) -> None:
    """It is found out at the first turn that has any; the second one costs no refusal."""
    before = counted("a")
    with capture_logs() as lines:
        async with providing(without(status)) as (providers, (upstream,)):
            first = await answered(providers)
            asked = len(upstream.bodies)
            second = await answered(providers)

    assert (first[0], second) == ("Hello there.", ("Hello there.", ["a"]))
    assert len(upstream.bodies) == asked + 1
    told = [line for line in lines if line["event"] == "engine.refuses_tools"]
    assert [(line["model"], line["log_level"]) for line in told] == [("model-a", "warning")]
    assert counted("a") == before + 2


async def test_who_takes_functions_is_asked_before_who_refuses_them() -> None:
    """From the first turn on; without functions the order is as it was."""
    async with providing(without(), saying("I looked.")) as (providers, (refusing, _)):
        first = await answered(providers)
        asked = len(refusing.bodies)
        second = await answered(providers)
        assert len(refusing.bodies) == asked
        plain = await answered(providers, replace(ASK, tools=()))

    assert first == ("I looked.", ["a", "b"])
    assert second == ("I looked.", ["b"])
    assert plain == ("Hello there.", ["a"])


async def test_who_refuses_functions_answers_where_the_others_fail() -> None:
    """An answer without functions is better than none, in the first turn and later."""
    async with providing(without(), failing(503, {})) as (providers, _):
        first = await answered(providers)
        second = await answered(providers)

    assert first == ("Hello there.", ["a", "b", "a"])
    assert second == ("Hello there.", ["b", "a"])


async def test_who_is_only_slow_is_not_outrun_by_who_refuses_functions() -> None:
    """In the turn in which that is found out, and later: it would leave out what was asked for."""
    before, others = counted("b"), list[Provider]()

    async def slow(upstream: Upstream, sent: asyncio.StreamWriter) -> None:
        await until(lambda: not others[0].takes_tools(ASK))
        await asyncio.sleep(0.3)
        await saying("I looked.")(upstream, sent)

    async with providing(slow, without(), hedge_after_s=0.03) as (providers, _):
        others += providers.order(ASK, begun=False)[1:]
        first = await answered(providers)
        second = await answered(providers)

    assert first == ("I looked.", ["a", "b"])
    assert second == ("I looked.", ["a"])
    assert counted("b") == before


async def test_what_another_turn_finds_out_meanwhile_counts() -> None:
    """Who turns out to refuse functions while one is silent is not asked besides it, either."""
    before, others = counted("b"), list[Provider]()

    async def slow(upstream: Upstream, sent: asyncio.StreamWriter) -> None:
        with suppress(RequestRefused):
            async for _ in others[0].engine.generate(ASK):
                pass
        await asyncio.sleep(0.6)
        await saying("I looked.")(upstream, sent)

    async with providing(slow, without(), hedge_after_s=0.3) as (providers, _):
        others += providers.order(ASK, begun=False)[1:]
        text, whom = await answered(providers)

    assert (text, whom[0], counted("b")) == ("I looked.", "a", before)


async def test_who_refuses_functions_answers_once_the_slow_one_has_failed() -> None:
    """And not before: later is better than never."""
    growth = Growth()
    async with providing(hanging(), without(), hedge_after_s=0.03) as (providers, _):
        first = await answered(providers)
        second = await answered(providers)

    assert first == ("Hello there.", ["a", "b", "b"])
    assert second == ("Hello there.", ["a", "b"])
    failures = "voicebus_llm_provider_failures_total"
    assert growth.of(failures, provider="a", code="engine_timeout") == 2


async def test_functions_that_are_wrong_take_those_of_others_from_nobody() -> None:
    """Who offers them is refused; it is known by a request of our own that it is not the model."""
    wrong = replace(ASK, tools=(replace(LOOK, name="wrong"),))
    async with asking(choosy("wrong")) as (engine, upstream):
        for _ in range(2):
            with pytest.raises(RequestRefused):
                await reply_of(engine, wrong)
        assert len(upstream.bodies) == 3
        await reply_of(engine, ASK)

    assert engine.takes_tools("")
    assert upstream.bodies[-1]["tools"]


@pytest.mark.parametrize(
    ("before", "after"),
    [(without(), saying("I looked.")), (choosy("wrong"), without())],
    ids=["takes them now", "takes none any more"],
)
async def test_what_was_found_out_is_looked_at_again_after_a_while(
    before: Script, after: Script
) -> None:
    """A server is started anew with functions, or without; a worker need not be."""
    now_s, scripts = [0.0], [before]

    async def script(upstream: Upstream, sent: asyncio.StreamWriter) -> None:
        await scripts[-1](upstream, sent)

    wrong = replace(ASK, tools=(replace(LOOK, name="wrong"),))
    async with asking(script, clock=lambda: now_s[0]) as (engine, upstream):
        with pytest.raises(RequestRefused):
            await reply_of(engine, wrong)
        found = engine.takes_tools("")
        scripts.append(after)
        now_s[0] = KNOWN_S - 1
        asked = len(upstream.bodies)
        with suppress(RequestRefused):
            await reply_of(engine, wrong)
        assert (len(upstream.bodies), engine.takes_tools("")) == (asked + 1, found)

        now_s[0] = KNOWN_S
        with suppress(RequestRefused):
            await reply_of(engine, wrong)

    assert engine.takes_tools("") is not found
    assert "tools" in upstream.bodies[asked + 1]


@pytest.mark.parametrize("script", [failing(400, {}), failing(404, {}), failing(503, {})])
async def test_a_model_that_refuses_everything_is_not_said_to_refuse_functions(
    script: Script,
) -> None:
    """As one that is not there, or a server that fails: both may be otherwise later."""
    async with asking(script) as (engine, _):
        with pytest.raises(EngineError):
            await reply_of(engine, ASK)

    assert engine.takes_tools("")


async def test_what_breaks_while_it_is_looked_for_leaves_it_open() -> None:
    """And the turn has the error that it had."""
    broken = failing(500, {})

    async def script(upstream: Upstream, sent: asyncio.StreamWriter) -> None:
        await (failing(400, {}) if len(upstream.bodies) == 1 else broken)(upstream, sent)

    async with asking(script) as (engine, _):
        with pytest.raises(RequestRefused):
            await reply_of(engine, ASK)
        with pytest.raises(EngineUnavailable):
            await reply_of(engine, ASK)

    assert engine.takes_tools("")


@pytest.mark.parametrize("demand", [{"tool_choice": "required"}, {"tool_name": "look"}])
async def test_a_call_that_is_demanded_is_refused(demand: dict[str, Any]) -> None:
    """Words would be no answer to that."""
    async with providing(without()) as (providers, (upstream,)):
        for _ in range(2):
            with pytest.raises(RequestRefused):
                await answered(providers, replace(ASK, **demand))

    assert "tools" in upstream.bodies[0]


async def test_what_functions_have_told_before_stays_in_the_conversation() -> None:
    """As words, with roles that alternate: a model without functions knows of no calls."""
    calls = tuple(ToolCall(index=at, id=f"c{at}", name="stock", arguments="{}") for at in (0, 1))
    said = (
        Message(role="system", content="You sell tea."),
        Message(role="user", content="Is there tea?"),
        Message(role="assistant", content="", tool_calls=calls),
        Message(role="tool", content="seven boxes", tool_call_id="c0"),
        Message(role="tool", content="none", tool_call_id="c1"),
        Message(role="assistant", content="Some."),
        Message(role="user", content="And now?"),
    )
    async with asking(without()) as (engine, upstream):
        with pytest.raises(RequestRefused):
            await reply_of(engine, replace(ASK, messages=said))
        await reply_of(engine, replace(ASK, messages=said))

    body = upstream.bodies[-1]
    assert "tools" not in body
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("system", "You sell tea."),
        ("user", "Is there tea?\n\nstock: seven boxes\n\nstock: none"),
        ("assistant", "Some."),
        ("user", "And now?"),
    ]
    assert not any("tool_calls" in message for message in body["messages"])
