"""What each request to a provider has used, on the bus."""

from __future__ import annotations

import asyncio

import pytest

from schemas.codec import decode
from schemas.llm import ClauseReady, TokenDelta
from schemas.turn import TurnCancelled
from schemas.usage import TokensUsed
from services.llm.prices import Price
from services.llm.providers import Provider, Providers, alone
from services.llm.worker import answer
from subjects.catalog import subject_of
from tests.services.llm.providing import PATIENT_S, providing, saying
from tests.services.llm.test_worker import REQUEST, Toy, Turn, turn_at
from tests.services.llm.upstream import event, failing, hanging, replying, resetting, text_event
from tests.workers import claim_on, until
from voicebus import metrics
from voicebus.errors import EngineError

HALF = [text_event("Well,"), text_event(" the sea is wide.")]
COUNTED = event(
    {
        "choices": [],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 400},
        },
    }
)


async def used(turn: Turn, count: int = 1) -> list[TokensUsed]:
    """What the log of the session holds of it, once it has so many."""
    subject = subject_of(TokensUsed, turn.place)
    async with asyncio.timeout(10):
        while True:
            log = [decode(message.payload) async for message in turn.bus.read("SESSION", subject)]
            if len(log) >= count:
                return [told for told in log if isinstance(told, TokensUsed)]
            await asyncio.sleep(0.02)


async def answered(turn: Turn, providers: Providers, count: int = 1) -> list[TokensUsed]:
    """Do the work of the turn; return what it used."""
    claim = await claim_on(turn.bus, turn.place, "llm", REQUEST)
    await asyncio.wait_for(answer(claim, providers), 30)
    return await used(turn, count)


def priced(providers: Providers, *prices: Price) -> Providers:
    """The same providers with prices."""
    known = [
        Provider(name=p.name, engine=p.engine, price=price)
        for p, price in zip(providers.order(REQUEST, begun=False), prices, strict=True)
    ]
    return Providers(known)


async def test_a_reply_costs_what_was_counted_at_its_price(nats_server: str) -> None:
    """Cached tokens at their own; the prices are told with it, and the metric grows by it."""
    price = Price(prompt=2.0, reply=8.0, cached=0.5)
    metric = metrics.LLM_COST_USD.labels("a", "model-a")
    before = metric._value.get()
    script = replying(text_event("Hello."), text_event("", "stop"), COUNTED)
    async with providing(script) as (providers, _), turn_at(nats_server) as turn:
        (told,) = await answered(turn, priced(providers, price))

    cost_usd = (600 * 2.0 + 400 * 0.5 + 50 * 8.0) / 1e6
    assert told.cost_usd == pytest.approx(cost_usd)
    assert (told.provider, told.model, told.outcome) == ("a", "model-a", "answered")
    assert (told.prompt_tokens, told.cached_tokens, told.tokens) == (1000, 400, 50)
    assert told.rate is not None
    assert (told.rate.prompt_usd, told.rate.cached_usd, told.rate.reply_usd) == (2.0, 0.5, 8.0)
    assert not told.estimated
    assert not told.charged
    assert 0 < told.ttft_ms <= told.duration_ms
    assert (told.turn, told.revision) == (REQUEST.turn, REQUEST.revision)
    assert told.epoch > 0
    assert metric._value.get() - before == pytest.approx(cost_usd)


async def test_what_a_provider_charges_is_believed(nats_server: str) -> None:
    """It says so in the last chunk; no price of ours is told with it."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.00014}
    script = replying(
        text_event("Hello."), text_event("", "stop"), event({"choices": [], "usage": usage})
    )
    async with providing(script) as (providers, _), turn_at(nats_server) as turn:
        (told,) = await answered(turn, priced(providers, Price(prompt=99, reply=99)))

    assert (told.cost_usd, told.charged, told.rate) == (0.00014, True, None)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, (2, 3)),
        ({"completion_tokens": 50}, (2, 50)),
        ({"prompt_tokens": 1000}, (1000, 3)),
    ],
    ids=["nothing", "the reply", "the request"],
)
async def test_what_a_server_does_not_count_is_estimated(
    nats_server: str, usage: dict[str, int] | None, tokens: tuple[int, int]
) -> None:
    """And told as such, with a cost: a request of no tokens would be read as one that was free."""
    said = [text_event("Well,"), text_event(" the sea"), text_event(" is wide.", "stop")]
    told_last = [] if usage is None else [event({"choices": [], "usage": usage})]
    script = replying(*said, *told_last)
    async with providing(script) as (providers, _), turn_at(nats_server) as turn:
        (told,) = await answered(turn, priced(providers, Price(prompt=10.0, reply=1.0)))

    assert (told.outcome, told.estimated) == ("answered", True)
    assert (told.prompt_tokens, told.tokens) == tokens
    assert told.cost_usd == pytest.approx((10.0 * tokens[0] + tokens[1]) / 1e6)


async def test_an_unknown_price_is_told_as_unknown(nats_server: str) -> None:
    """And counted as such."""
    metric = metrics.LLM_UNPRICED.labels("a", "model-a")
    before = metric._value.get()
    async with providing(saying("Hello.")) as (providers, _), turn_at(nats_server) as turn:
        (told,) = await answered(turn, providers)

    assert told.cost_usd is None
    assert metric._value.get() == before + 1


async def test_each_provider_that_was_asked_has_its_own(nats_server: str) -> None:
    """One that refused did no work; one that broke off is estimated by what came."""
    price = Price(prompt=1.0, reply=1.0)
    scripts = (failing(429, {}), resetting(*HALF), saying(" I know."))
    async with providing(*scripts) as (providers, _), turn_at(nats_server) as turn:
        told = await answered(turn, priced(providers, price, price, price), 3)

    assert [(u.seq, u.provider, u.outcome, u.error) for u in told] == [
        (0, "a", "failed", "engine_overloaded"),
        (1, "b", "failed", "engine"),
        (2, "c", "answered", ""),
    ]
    assert [(u.prompt_tokens, u.tokens, u.estimated) for u in told] == [
        (0, 0, False),
        (2, 2, True),
        (7, 3, False),
    ]
    assert told[0].cost_usd == 0


async def test_both_are_told_that_were_asked_side_by_side(nats_server: str) -> None:
    """Nobody counts for the slower one: it may have worked, and is estimated."""
    async with (
        providing(hanging(), saying("Hello."), hedge_after_s=0.05, patience_s=PATIENT_S) as (
            providers,
            _,
        ),
        turn_at(nats_server) as turn,
    ):
        told = await answered(turn, providers, 2)

    assert [(u.seq, u.provider, u.outcome, u.estimated) for u in told] == [
        (0, "a", "left", True),
        (1, "b", "answered", False),
    ]
    assert (told[0].prompt_tokens, told[0].tokens) == (2, 0)


async def test_where_nobody_was_asked_nothing_is_used(nats_server: str) -> None:
    """A lost worker had published all of the reply but its end."""
    async with turn_at(nats_server) as turn:
        await turn.bus.store(TokenDelta(turn=1, revision=2, text="Hello.", tokens=1), turn.place)
        await turn.bus.store(ClauseReady(turn=1, revision=2, text="Hello."), turn.place)
        last = ClauseReady(turn=1, revision=2, seq=1, text="", last=True)
        await turn.bus.store(last, turn.place)
        claim = await claim_on(turn.bus, turn.place, "llm", REQUEST, attempt=2)
        await asyncio.wait_for(answer(claim, alone(Toy(tokens=5, pace_s=0.001))), 30)
        await until(lambda: bool(turn.done()))
        await claim.settled()

        assert await used(turn, 0) == []


async def test_a_turn_that_fails_has_used_something_all_the_same(nats_server: str) -> None:
    """One that hung may have worked for us."""
    async with providing(hanging()) as (providers, _), turn_at(nats_server) as turn:
        with pytest.raises(EngineError):
            await answered(turn, providers)
        (told,) = await used(turn)

    assert (told.outcome, told.error, told.estimated) == ("failed", "engine_timeout", True)
    assert told.prompt_tokens == 2


async def test_a_reply_that_was_cancelled_is_estimated(nats_server: str) -> None:
    """Nobody counts what nobody waits for."""
    async with turn_at(nats_server) as turn:
        claim = await claim_on(turn.bus, turn.place, "llm", REQUEST)
        work = answer(claim, alone(Toy(tokens=10_000, pace_s=0.005)))
        working = asyncio.create_task(work)
        while len(turn.deltas()) < 3:
            await asyncio.sleep(0.01)
        await turn.bus.publish(TurnCancelled(turn=1, revision=2), turn.place)
        await asyncio.wait_for(working, 5)
        (told,) = await used(turn)

    assert (told.outcome, told.estimated, told.synthetic) == ("left", True, True)
    assert told.tokens >= 3
