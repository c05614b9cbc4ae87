"""Models that cannot go on behind their own words, killed in mid-reply: each word counts once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.llm import GenerationDone
from schemas.turn import TurnEnded
from tests.e2e.client import Client, connected
from tests.faults.account import (
    expect_order,
    expect_sound_log,
    expect_taken_over,
    until_over,
    written,
)
from tests.faults.crew import LIMIT_S, REPLY, Crew

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]

FIRST_CLAUSE = "Well, the sea is wide and deep."
OTHER = "Quite another answer comes to my mind. It is as good as the former one."


@asynccontextmanager
async def succession(crew: Crew, first_per_s: float) -> AsyncIterator[None]:
    """Have one model that says ``REPLY`` slowly, and says it alone until it is killed."""
    cannot = {"LLM_PREFILL": "false"}
    first = crew.hire("llm", "first-llm", LLM_SYNTHETIC_TOKENS_PER_S=str(first_per_s), **cannot)
    await crew.alone(first, "llm")
    try:
        yield
    finally:
        for name in ("first-llm", "other-llm"):
            if (process := crew.processes.get(name)) is not None:
                await crew.kill(process)
                crew.dismiss(process)
        await crew.heal()


async def replace_model(crew: Crew, client: Client) -> None:
    """Kill the model that speaks; one comes that says something else."""
    await crew.kill(await crew.holder(client, "llm"))
    crew.hire("llm", "other-llm", LLM_SYNTHETIC_REPLY=OTHER, LLM_PREFILL="false")


async def test_words_that_were_only_read_make_way_for_another_reply(crew: Crew) -> None:
    """Nothing was spoken yet: the client reads, hears and keeps the second reply alone."""
    async with connected(crew, {}) as client, succession(crew, 2):
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 2, LIMIT_S)
        await replace_model(crew, client)
        await until_over(client)
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    first = [told["text"] for told in client.messages("reply_text", turn=1)][:2]
    assert REPLY.startswith("".join(first))
    assert [written(client, turn) for turn in (1, 2)] == [OTHER, OTHER]
    assert [told["text"] for told in client.messages("reply_done")] == [OTHER, OTHER]
    assert " ".join(told["text"] for told in client.messages("spoken", turn=1)) == OTHER
    assert client.messages("error") == []
    expect_order(client)
    log = await crew.log(client)
    expect_sound_log(log)
    assert [e.text for e in log if isinstance(e, GenerationDone)] == [OTHER, OTHER]
    assert [e.reply for e in log if isinstance(e, TurnEnded)] == [OTHER, OTHER]
    await expect_taken_over(crew, client, "llm")
    assert crew.unhandled() == {}


async def test_a_reply_that_was_spoken_ends_with_its_last_clause(crew: Crew) -> None:
    """The successor has other words: none of them is told, and none of the first ones twice."""
    async with connected(crew, {}) as client, succession(crew, 5):
        await client.send("text", text="What of the sea?")
        await client.until("audio_start", within_s=LIMIT_S)
        await client.until("reply_text", 9, LIMIT_S)
        await replace_model(crew, client)
        await until_over(client)

    assert REPLY.startswith(written(client, 1))
    assert [told["text"] for told in client.messages("reply_done")] == [FIRST_CLAUSE]
    assert [told["text"] for told in client.messages("spoken")] == [FIRST_CLAUSE]
    assert client.messages("error") == []
    expect_order(client)
    log = await crew.log(client)
    expect_sound_log(log)
    assert [e.finish_reason for e in log if isinstance(e, GenerationDone)] == ["cut"]
    await expect_taken_over(crew, client, "llm")
    assert crew.unhandled() == {}
