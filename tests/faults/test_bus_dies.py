"""The bus dies, or stops, under a conversation."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.e2e.client import PAUSE, connected
from tests.faults.account import (
    Samples,
    expect_sound_log,
    expect_unharmed,
    expect_whole_reply,
    until_over,
)
from tests.faults.crew import LIMIT_S, Crew
from tests.voicebus.audio.recordings import sentence
from voicebus.cli.replay import caller_audio

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]

FREEZE_S = 3.0


async def reborn(crew: Crew) -> None:
    """Kill the bus and start it again at once."""
    await asyncio.to_thread(crew.nats.kill)
    await asyncio.to_thread(crew.nats.start)


async def test_the_bus_is_killed_in_mid_utterance(crew: Crew, unharmed: Samples) -> None:
    """What was said before, meanwhile and afterwards is one utterance, which is answered whole."""
    said = np.concatenate([sentence(), PAUSE])
    async with connected(crew, {}) as client:
        await client.speak(said[:40_000])
        await client.until("speech_started", within_s=LIMIT_S)
        await asyncio.gather(reborn(crew), client.speak(said[40_000:80_000], pace=1.0))
        await client.speak(said[80_000:])
        await until_over(client)
        stored = caller_audio(await crew.log(client))

    (final,) = client.messages("final")
    assert 6.5 < float(final["text"].split()[-2]) < 8
    assert client.messages("error") == []
    expect_whole_reply(client, 1, unharmed)
    assert np.array_equal(stored[: len(said)], said)
    assert crew.unhandled() == {}


async def test_the_bus_is_killed_in_mid_reply(crew: Crew, unharmed: Samples) -> None:
    """The session goes on: whatever became of that reply, the next turn is as any other."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 15, LIMIT_S)
        await reborn(crew)
        await crew.heal()
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    assert client.messages("error", turn=2) == []
    expect_whole_reply(client, 2, unharmed)
    assert crew.unhandled() == {}


@pytest.mark.slow
async def test_a_reply_is_whole_though_the_bus_is_killed_in_it(
    crew: Crew, unharmed: Samples
) -> None:
    """Word for word and sample for sample, in four turns."""
    async with connected(crew, {}) as client:
        for turn in range(1, 5):
            await client.send("text", text="What of the sea?")
            await client.until("reply_text", 15, LIMIT_S, turn=turn)
            await reborn(crew)
            await until_over(client, turn)

    await expect_unharmed(crew, client, unharmed, turns=4)


@pytest.mark.slow
async def test_all_that_was_said_is_stored_though_the_bus_is_killed(crew: Crew) -> None:
    """Each frame of a long speech, in which the bus dies four times."""
    said = np.tile(sentence(), 2)
    async with connected(crew, {}) as client:
        speaking = asyncio.create_task(client.speak(said, pace=1.0))
        for _ in range(4):
            await asyncio.sleep(2.5)
            await reborn(crew)
        await speaking
        await client.send("end_stream")
        await client.until("turn_ended", within_s=LIMIT_S)
        stored = caller_audio(await crew.log(client))

    assert np.array_equal(stored[: len(said)], said)


async def test_the_bus_is_frozen_in_mid_reply(crew: Crew, unharmed: Samples) -> None:
    """A pause, and then the rest."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 12, LIMIT_S)
        crew.nats.pause()
        await asyncio.sleep(FREEZE_S)
        crew.nats.resume()
        await until_over(client)

    await expect_unharmed(crew, client, unharmed)
    expect_sound_log(await crew.log(client))
