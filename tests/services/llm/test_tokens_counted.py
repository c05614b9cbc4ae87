"""What models were asked and what they wrote, as the metrics count it: whatever came of it."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from schemas.llm import GenerateRequest, Message, SummariseRequest
from schemas.turn import TurnCancelled
from schemas.usage import TokensUsed
from services.llm.worker import answer
from tests.metered import Growth
from tests.services.llm.providing import providing, saying
from tests.services.llm.test_billing import COUNTED, HALF, answered, used
from tests.services.llm.test_worker import REQUEST, Toy, turn_at
from tests.services.llm.upstream import failing, hanging, replying, resetting, text_event
from tests.workers import claim_on
from voicebus.errors import EngineError

LONG = replace(REQUEST, messages=(Message(role="user", content="hello, " * 20),))


def counted(growth: Growth, engine: str, model: str) -> tuple[float, float]:
    """Tokens that a model was asked, and that it wrote."""
    asked = growth.of("voicebus_llm_prompt_tokens_total", engine=engine, model=model)
    return asked, growth.of("voicebus_llm_tokens_total", engine=engine, model=model)


def of_all(told: list[TokensUsed]) -> tuple[float, float]:
    """The same by what the bus was told."""
    return sum(one.prompt_tokens for one in told), sum(one.tokens for one in told)


async def test_a_whole_reply_counts_as_its_provider_says(nats_server: str) -> None:
    """Once, and not by the pieces in which it came."""
    growth = Growth()
    script = replying(text_event("Hello."), text_event("", "stop"), COUNTED)
    async with providing(script) as (providers, _), turn_at(nats_server) as turn:
        await answered(turn, providers)

    assert counted(growth, "a", "model-a") == (1000, 50)


async def test_each_provider_counts_for_what_it_did(nats_server: str) -> None:
    """One that refused did nothing; one that broke off was asked, and wrote two pieces."""
    growth = Growth()
    scripts = (failing(429, {}), resetting(*HALF), saying(" I know."))
    async with providing(*scripts) as (providers, _), turn_at(nats_server) as turn:
        await answered(turn, providers, 3)

    assert counted(growth, "a", "model-a") == (0, 0)
    assert counted(growth, "b", "model-b") == (2, 2)
    assert counted(growth, "c", "model-c") == (7, 3)


async def test_a_request_that_hung_until_it_failed_was_asked_all_the_same(nats_server: str) -> None:
    """It may have worked for us; there is no reply that would count it."""
    growth = Growth()
    async with providing(hanging()) as (providers, _), turn_at(nats_server) as turn:
        with pytest.raises(EngineError):
            await answered(turn, providers)

    assert counted(growth, "a", "model-a") == (2, 0)


@pytest.mark.parametrize("speculative", [False, True], ids=["interrupted", "never released"])
async def test_a_reply_that_nobody_wants_any_more_was_asked_and_written(
    nats_server: str, speculative: bool
) -> None:
    """A caller who interrupts, and a draft that was wrong, cost as much as any other."""
    growth, engine = Growth(), Toy(tokens=10_000, pace_s=0.005)
    request = replace(LONG, speculative=speculative)
    async with turn_at(nats_server) as turn:
        working = asyncio.create_task(turn.answer(engine, request))
        while len(turn.deltas()) < 3:
            await asyncio.sleep(0.01)
        await turn.bus.publish(TurnCancelled(turn=1, revision=2), turn.place)
        await asyncio.wait_for(working, 5)
        told = await used(turn)

    asked, written = counted(growth, "synthetic", "synthetic")
    assert asked == -(-len(LONG.messages[0].content) // 4)
    assert written == pytest.approx(len(engine.made_s), abs=1)
    assert (asked, written) == of_all(told)


async def test_a_summary_is_asked_and_written_too(nats_server: str) -> None:
    """Nobody hears it, and it has its cost."""
    growth = Growth()
    request = SummariseRequest(messages=LONG.messages, through=1)
    async with providing(saying("A sea.")) as (providers, _), turn_at(nats_server) as turn:
        claim = await claim_on(turn.bus, turn.place, "llm", request)
        await asyncio.wait_for(answer(claim, providers), 10)

    assert counted(growth, "a", "model-a") == (7, 2)


async def test_how_fast_a_reply_is_written_is_measured_behind_its_first_token(
    nats_server: str,
) -> None:
    """Of a reply that was written to its end: the wait for its first token is another metric."""
    growth, name = Growth(), "voicebus_llm_tokens_per_second"
    labels = {"engine": "synthetic", "model": "synthetic"}
    async with turn_at(nats_server) as turn:
        await turn.answer(Toy(tokens=21, pace_s=0.01), GenerateRequest(turn=1, messages=()))

    (done,) = turn.done()
    behind_s = (done.duration_ms - done.ttft_ms) / 1000
    assert growth.of(f"{name}_count", **labels) == 1
    assert growth.of(f"{name}_sum", **labels) == pytest.approx(20 / behind_s)
    assert growth.of(f"{name}_sum", **labels) < 105
