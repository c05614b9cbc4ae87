"""One reply from whichever provider gives it, on a real bus, with providers over real HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from schemas.llm import GenerationDone
from services.llm.providers import Providers
from services.llm.worker import answer
from tests.services.llm.providing import providing, saying
from tests.services.llm.test_without_tools import ASK, without
from tests.services.llm.test_worker import REQUEST, Turn, turn_at
from tests.services.llm.upstream import (
    Script,
    Upstream,
    event,
    failing,
    hanging,
    replying,
    resetting,
    text_event,
)
from tests.workers import claim_on
from voicebus import metrics
from voicebus.errors import EngineError, EngineTimeout, RequestRefused, UnknownModel

REPLY = "Well, the sea is wide. Nobody has sailed it yet. That is all that I know."
HALF = [
    text_event(piece) for piece in ("Well,", " the", " sea", " is", " wide.", " Nobody", " has")
]
READ = msgspec.structs.replace(REQUEST, spoken=False)
NAMED = msgspec.structs.replace(REQUEST, model="adapter")
OUTCOMES = ("unheard", "continued", "anew", "cut")


async def refusing(_: Upstream, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    writer.close()


async def answered(turn: Turn, providers: Providers, request: Any = REQUEST) -> GenerationDone:
    """Do the work of the turn."""
    claim = await claim_on(turn.bus, turn.place, "llm", request)
    await asyncio.wait_for(answer(claim, providers), 30)
    await turn.bus.flush()
    await asyncio.sleep(0.05)
    (done,) = turn.done()
    return done


def expect_said_once(turn: Turn, reply: str) -> None:
    """As readers, speakers and the history have it."""
    assert turn.done()[0].text == reply
    assert "".join(delta.text for delta in turn.deltas()).strip() == reply
    assert " ".join(clause.text for clause in turn.clauses() if clause.text) == reply
    assert [clause.seq for clause in turn.clauses()] == list(range(len(turn.clauses())))
    assert [clause.last for clause in turn.clauses()].count(True) == 1


def counts() -> dict[str, float]:
    """How replies were failed over so far."""
    return {name: metrics.LLM_FAILOVERS.labels(name)._value.get() for name in OUTCOMES}


def grown(before: dict[str, float]) -> dict[str, float]:
    """Which of these have grown since."""
    return {name: now - before[name] for name, now in counts().items() if now > before[name]}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (refusing, "engine"),
        (hanging(), "engine_timeout"),
        (failing(429, {}, "retry-after: 7"), "engine_overloaded"),
        (failing(500, "oops"), "engine_unavailable"),
        (failing(401, {}), "engine_unavailable"),
        (replying(b"<html>hello</html>"), "engine"),
        (replying(b"data: {not json\n\n"), "engine"),
        (replying(event({"error": {"message": "x", "code": 500}})), "engine"),
    ],
    ids=["refuses", "hangs", "429", "500", "401", "a web page", "garbage", "an error object"],
)
async def test_who_fails_before_the_first_word_is_replaced_unheard(
    nats_server: str, script: Script, code: str
) -> None:
    """The next one gives the reply, and that somebody failed is told and counted."""
    failures = metrics.LLM_PROVIDER_FAILURES.labels("a", code)
    before, outcomes = failures._value.get(), counts()
    async with providing(script, saying(REPLY)) as (providers, _), turn_at(nats_server) as turn:
        done = await answered(turn, providers)

    assert (done.provider, done.model, done.failovers) == ("b", "model-b", 1)
    assert failures._value.get() == before + 1
    assert grown(outcomes) == {"unheard": 1}
    expect_said_once(turn, REPLY)


async def faltering(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
    """Refuse functions, and without them fail at whatever is longer than a token."""
    body = upstream.bodies[-1]
    plain = saying("x") if body["max_tokens"] == 1 else failing(503, {})
    await (failing(400, {}) if "tools" in body else plain)(upstream, writer)


@pytest.mark.parametrize(
    ("scripts", "provider", "failovers"),
    [
        ([without(text=REPLY)], "a", 0),
        ([without(text=REPLY), failing(503, {})], "a", 1),
        ([faltering, without(text=REPLY)], "b", 1),
    ],
    ids=["alone", "another failed", "another failed twice"],
)
async def test_who_refuses_functions_and_then_answers_has_not_failed_before(
    nats_server: str, scripts: list[Script], provider: str, failovers: int
) -> None:
    """Those that are told are others, and each of them once."""
    request = msgspec.structs.replace(REQUEST, tools=ASK.tools)
    async with providing(*scripts) as (providers, _), turn_at(nats_server) as turn:
        done = await answered(turn, providers, request)

    assert (done.provider, done.failovers) == (provider, failovers)
    expect_said_once(turn, REPLY)


@pytest.mark.parametrize(
    "script", [resetting(*HALF), hanging(*HALF), replying(*HALF, b"data: {no")]
)
async def test_who_dies_in_mid_stream_is_gone_on_with_behind_its_words(
    nats_server: str, script: Script
) -> None:
    """The next one is given the beginning; nobody hears a seam."""
    rest = saying(REPLY.removeprefix("Well, the sea is wide. Nobody has "))
    outcomes = counts()
    async with providing(script, rest) as (providers, (_, other)), turn_at(nats_server) as turn:
        done = await answered(turn, providers)

    begun = {"role": "assistant", "content": "Well, the sea is wide. Nobody has"}
    assert other.bodies[0]["messages"][-1] == begun
    assert (done.provider, done.failovers, done.finish_reason) == ("b", 1, "stop")
    assert grown(outcomes) == {"continued": 1}
    # The rest came without its space: the model's own seam.
    assert turn.done()[0].text == REPLY.replace("has sailed", "hassailed")


async def test_who_cannot_go_on_says_it_again_and_nothing_is_heard_twice(nats_server: str) -> None:
    """Asked anew, a model that says the same is listened to from the first new word on."""
    outcomes = counts()
    async with (
        providing(resetting(*HALF), saying(REPLY), prefill=False) as (providers, (_, other)),
        turn_at(nats_server) as turn,
    ):
        await answered(turn, providers)

    assert other.bodies[0]["messages"][-1]["role"] == "user"
    assert grown(outcomes) == {"continued": 1}
    expect_said_once(turn, REPLY)


async def test_other_words_end_a_reply_of_which_some_are_spoken(nats_server: str) -> None:
    """It ends with its last clause rather than with a second beginning."""
    outcomes = counts()
    async with (
        providing(resetting(*HALF), saying("The sea? Big."), prefill=False) as (providers, _),
        turn_at(nats_server) as turn,
    ):
        done = await answered(turn, providers)

    assert (done.text, done.finish_reason) == ("Well, the sea is wide.", "cut")
    assert " ".join(c.text for c in turn.clauses() if c.text) == "Well, the sea is wide."
    assert grown(outcomes) == {"cut": 1}


async def test_other_words_replace_those_that_nobody_has_heard(nats_server: str) -> None:
    """A first half of a clause was not spoken yet."""
    outcomes = counts()
    async with (
        providing(resetting(text_event("Um")), saying(REPLY), prefill=False) as (providers, _),
        turn_at(nats_server) as turn,
    ):
        done = await answered(turn, providers)

    assert done.text == REPLY
    assert " ".join(clause.text for clause in turn.clauses() if clause.text) == REPLY
    assert grown(outcomes) == {"anew": 1}


async def test_three_in_a_row_may_fail(nats_server: str) -> None:
    """Each in its own way, before and in the reply."""
    scripts = (failing(429, {}), hanging(), resetting(*HALF), saying("sailed it."))
    async with providing(*scripts) as (providers, _), turn_at(nats_server) as turn:
        done = await answered(turn, providers)

    assert (done.provider, done.failovers) == ("d", 3)
    assert done.text.startswith("Well, the sea is wide. Nobody has")


async def test_when_all_fail_the_turn_fails_with_an_error_that_may_be_gone_later(
    nats_server: str,
) -> None:
    """Whoever tries again later learns that this makes sense."""
    async with (
        providing(hanging(), failing(400, {})) as (providers, _),
        turn_at(nats_server) as turn,
    ):
        with pytest.raises(EngineTimeout):
            await answered(turn, providers)

    assert turn.done() == []


async def test_a_provider_that_fails_again_and_again_is_asked_last(nats_server: str) -> None:
    """After two failures the third turn does not wait for it any more."""
    async with providing(hanging(), saying(REPLY)) as (providers, (hung, _)):
        for number in range(3):
            async with turn_at(nats_server) as turn:
                done = await answered(turn, providers)
            assert done.failovers == (number < 2)

    assert len(hung.bodies) == 2
    assert metrics.LLM_PROVIDER_OPEN.labels("a")._value.get() == 1


async def test_a_provider_that_dies_in_each_reply_is_left_alone_too(nats_server: str) -> None:
    """That it begins well is no merit, and one that is left after some words is well."""
    scripts = (resetting(*HALF), saying(REPLY.removeprefix("Well, the sea is wide. Nobody has ")))
    async with providing(*scripts) as (providers, (dying, _)):
        for _ in range(3):
            async with turn_at(nats_server) as turn:
                await answered(turn, providers)

    assert len(dying.bodies) == 2


async def test_a_provider_that_is_back_is_tried_by_one_turn(nats_server: str) -> None:
    """When its time is over; it answers, and comes first again."""
    now_s = [0.0]
    scripts = (failing(500, {}), saying(REPLY))
    async with providing(*scripts, clock=lambda: now_s[0]) as (providers, (away, _)):
        for asked in (1, 2, 2):
            async with turn_at(nats_server) as turn:
                await answered(turn, providers)
            assert len(away.bodies) == asked
        now_s[0] = 5.0
        async with turn_at(nats_server) as turn:
            await answered(turn, providers)

        assert len(away.bodies) == 3
        now_s[0] = 14.0
        assert [p.name for p in providers.order(REQUEST, begun=False)] == ["b", "a"]


async def test_what_is_wrong_with_a_request_closes_no_provider(nats_server: str) -> None:
    """Otherwise one caller could take the model away from all others."""
    async with providing(failing(400, {}), failing(422, {})) as (providers, (first, _)):
        for _ in range(4):
            async with turn_at(nats_server) as turn:
                with pytest.raises(RequestRefused):
                    await answered(turn, providers)

    assert len(first.bodies) == 4


async def test_an_adapter_that_nobody_has_is_an_error_in_words(nats_server: str) -> None:
    """All are asked for it; others' requests are answered as before."""
    scripts = (failing(404, {}), failing(404, {}))
    async with providing(*scripts) as (providers, upstreams), turn_at(nats_server) as turn:
        with pytest.raises(UnknownModel, match="has no model 'adapter'"):
            await answered(turn, providers, NAMED)

    assert [upstream.bodies[0]["model"] for upstream in upstreams] == ["adapter", "adapter"]
    assert [p.name for p in providers.order(REQUEST, begun=False)] == ["a", "b"]


async def test_half_a_call_is_neither_gone_on_with_nor_repeated(nats_server: str) -> None:
    """A function would be called with half of its arguments, or twice."""
    call = {"index": 0, "id": "c", "function": {"name": "look", "arguments": "{"}}
    half = event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    async with (
        providing(resetting(half), saying(REPLY)) as (providers, (_, other)),
        turn_at(nats_server) as turn,
    ):
        with pytest.raises(EngineError):
            await answered(turn, providers, READ)

    assert other.bodies == []
