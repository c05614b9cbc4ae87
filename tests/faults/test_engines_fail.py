"""Engines that hang, fail, crawl, fall silent or talk nonsense: the caller is told, or served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from schemas.event import Event
from schemas.failure import Failure
from schemas.stt import TranscriptFinal
from tests.e2e.client import PAUSE, Client, connected
from tests.faults.account import Samples, expect_order, expect_unharmed, until_over
from tests.faults.crew import LIMIT_S, REPLY, Crew
from tests.system import Process
from tests.voicebus.audio.recordings import WHOLE_S, seconds_heard, sentence

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]


@asynccontextmanager
async def only(crew: Crew, role: str, fault: str, after: int = 0) -> AsyncIterator[Process]:
    """Have one worker of a role, whose engine goes wrong."""
    own = {
        f"{role.upper()}_SYNTHETIC_FAULT": fault,
        f"{role.upper()}_SYNTHETIC_FAULT_AFTER": str(after),
        "LLM_NEXT_TOKEN_S": "2",
        "TTS_PIECE_S": "2",
    }
    sick = crew.hire(role, f"sick-{role}", **own)
    crew.dismiss(sick)
    await crew.alone(sick, role)
    try:
        yield sick
    finally:
        await crew.kill(sick)
        await crew.heal()


async def ended(client: Client, turn: int = 1) -> str:
    """Wait for the end of a turn and return what became of it."""
    return str((await client.until("turn_ended", within_s=LIMIT_S, turn=turn))["outcome"])


def is_verdict(event: Event) -> bool:
    """Whether the ears said what became of an utterance."""
    return isinstance(event, Failure | TranscriptFinal)


@pytest.mark.parametrize("after", [pytest.param(0, marks=pytest.mark.slow), 10])
async def test_a_model_that_fails_is_an_error_of_its_turn(crew: Crew, after: int) -> None:
    """The caller is told which stage failed, and the next turn is answered."""
    async with connected(crew, {}) as client:
        async with only(crew, "llm", "fail", after):
            await client.send("text", text="What of the sea?")
            assert await ended(client) == "failed"
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    assert {(e["stage"], e["turn"]) for e in client.messages("error")} == {("llm", 1)}
    assert client.messages("reply_done", turn=2)[0]["text"] == REPLY
    expect_order(client)
    assert crew.unhandled() == {}


async def test_a_model_that_hangs_is_given_up_for_another(crew: Crew, unharmed: Samples) -> None:
    """Nothing was heard yet: the answer comes from the next worker, and is whole."""
    async with connected(crew, {}) as client:
        async with only(crew, "llm", "hang"):
            await client.send("text", text="What of the sea?")
            await crew.until_claimed(client, "llm")
        await until_over(client)

    await expect_unharmed(crew, client, unharmed)


@pytest.mark.slow
async def test_a_voice_that_hangs_is_given_up_for_another(crew: Crew, unharmed: Samples) -> None:
    """The same, for the voice."""
    async with connected(crew, {}) as client:
        async with only(crew, "tts", "hang"):
            await client.send("text", text="What of the sea?")
            await crew.until_claimed(client, "tts")
        await until_over(client)

    await expect_unharmed(crew, client, unharmed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "fault"),
    [("llm", "silence"), ("llm", "garbage"), ("tts", "fail"), ("tts", "silence")],
)
async def test_nonsense_and_silence_end_the_turn_and_not_the_session(
    crew: Crew, unharmed: Samples, role: str, fault: str
) -> None:
    """The turn ends, one way or the other; the one after it is as if nothing had happened."""
    async with connected(crew, {}) as client:
        async with only(crew, role, fault):
            await client.send("text", text="What of the sea?")
            outcome = await ended(client)
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    assert bool(client.messages("error", turn=1)) == (outcome == "failed")
    assert client.messages("error", turn=2) == []
    expect_order(client)
    assert crew.unhandled() == {}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["fail", "silence", "garbage"])
async def test_ears_that_fail_cost_an_utterance_and_not_the_session(
    crew: Crew, unharmed: Samples, fault: str
) -> None:
    """What is said next is understood by the ears that come after."""
    said = np.concatenate([sentence(), PAUSE])
    async with connected(crew, {}) as client:
        async with only(crew, "stt", fault):
            await client.speak(said)
            await crew.until_recorded(client, is_verdict)
        await client.speak(said)
        await client.until("final", within_s=LIMIT_S, utterance=2)
        await client.until("turn_ended", within_s=LIMIT_S)

    assert seconds_heard(client.messages("final", utterance=2)[0]["text"]) >= WHOLE_S
    assert crew.unhandled() == {}
