"""Workers that are stopped, as by a debugger or a machine that swaps, and wake up later."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from tests.e2e.client import PAUSE, Client, connected
from tests.faults.account import Samples, expect_taken_over, expect_unharmed, until_over
from tests.faults.crew import LIMIT_S, Crew
from tests.voicebus.audio.recordings import sentence

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]


async def begun(client: Client, role: str) -> None:
    """Speak, and wait until a role is at work on the answer: the model is the first to be done."""
    await client.speak(np.concatenate([sentence(), PAUSE]))
    await client.until("reply_text" if role == "llm" else "audio_start", within_s=LIMIT_S)


@pytest.mark.parametrize(
    "role",
    ["llm", *(pytest.param(role, marks=pytest.mark.slow) for role in ("stt", "turn", "tts"))],
)
async def test_a_stopped_worker_is_replaced_and_not_heard_when_it_wakes(
    crew: Crew, unharmed: Samples, role: str
) -> None:
    """It is given up after 6 s of silence; what it says afterwards, nobody hears."""
    async with connected(crew, {}) as client:
        await begun(client, role)
        stopped = await crew.holder(client, role)
        stopped.signal(signal.SIGSTOP)
        if role == "stt":
            await client.speak(np.concatenate([sentence(), PAUSE]))
            await until_over(client, 2)
        await until_over(client)
        turns = len(client.messages("turn_ended"))
        stopped.signal(signal.SIGCONT)
        await crew.heal()
        await client.send("text", text="And once more?")
        await until_over(client, turns + 1)

    await expect_taken_over(crew, client, role)
    await expect_unharmed(crew, client, unharmed, turns=turns + 1)


async def test_a_worker_that_pauses_for_a_moment_keeps_its_work(
    crew: Crew, unharmed: Samples
) -> None:
    """Shorter than six seconds of silence is no death: the same worker goes on."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("audio_start", within_s=LIMIT_S)
        paused = await crew.holder(client, "tts")
        paused.signal(signal.SIGSTOP)
        chunks = sum(isinstance(item, bytes) for item in client.heard)
        await client.until("reply_done", within_s=LIMIT_S)
        paused.signal(signal.SIGCONT)
        await until_over(client)

    assert chunks
    assert [claim.delivery for claim in await crew.claims(client, "tts")] == [1]
    await expect_unharmed(crew, client, unharmed)
