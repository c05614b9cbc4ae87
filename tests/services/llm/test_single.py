"""The only provider that there is: nobody can be asked in its place."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from services.llm.providers import Provider, Providers
from tests.services.llm.providing import providing, saying
from tests.services.llm.test_asking import answered
from tests.services.llm.test_worker import turn_at
from tests.services.llm.upstream import Upstream, failing
from tests.workers import until
from voicebus import metrics
from voicebus.errors import EngineUnavailable


def only(providers: Providers, name: str) -> Providers:
    """The first of them without the others, under a name that no other test has."""
    return Providers([Provider(name=name, engine=providers.first.engine)])


def is_shown_alone(name: str) -> bool:
    """Whether the metric says that it is left alone, as an alert reads it."""
    return bool(metrics.LLM_PROVIDER_OPEN.labels(name)._value.get())


async def test_the_only_one_is_asked_however_often_it_fails(nats_server: str) -> None:
    """And neither log nor metric says that it is left alone: it is not."""
    async with providing(failing(500, {})) as (providers, (upstream,)):
        single = only(providers, "only")
        with capture_logs() as logs:
            for _ in range(4):
                async with turn_at(nats_server) as turn:
                    with pytest.raises(EngineUnavailable):
                        await answered(turn, single)

    assert len(upstream.bodies) == 4
    assert not is_shown_alone("only")
    assert [log["event"] for log in logs].count("provider.failed") == 4
    assert "provider.left_alone" not in {log["event"] for log in logs}


async def test_one_that_is_still_waited_for_is_not_left_alone() -> None:
    """A model may take minutes to load: that is no failure that anybody is to look after."""
    is_there = asyncio.Event()

    async def late(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        script = saying("Hello") if is_there.is_set() else failing(503, {})
        await script(upstream, writer)

    async with providing(late) as (providers, (upstream,)):
        single = only(providers, "loading")
        warming = asyncio.create_task(single.warm())
        await until(lambda: len(upstream.bodies) > 1)
        assert not is_shown_alone("loading")
        is_there.set()
        await asyncio.wait_for(warming, 10)
        await single.close()
