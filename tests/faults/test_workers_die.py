"""Workers that are killed at the worst moments: nobody can hear it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.e2e.client import PAUSE, connected
from tests.faults.account import Samples, expect_taken_over, expect_unharmed, until_over
from tests.faults.crew import LIMIT_S, Crew
from tests.voicebus.audio.recordings import WHOLE_S, seconds_heard, sentence
from voicebus.parts import ROLES

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]


async def test_ears_are_killed_in_mid_utterance(crew: Crew, unharmed: Samples) -> None:
    """The utterance is understood whole, from its beginning, and answered once."""
    said = np.concatenate([sentence(), PAUSE])
    async with connected(crew, {}) as client:
        await client.speak(said[:60_000])
        await client.until("speech_started", within_s=LIMIT_S)
        await crew.kill(await crew.holder(client, "stt"))
        await client.speak(said[60_000:])
        await until_over(client)

    assert [final["utterance"] for final in client.messages("final")] == [1]
    assert seconds_heard(client.messages("final")[0]["text"]) >= WHOLE_S
    await expect_taken_over(crew, client, "stt")
    await expect_unharmed(crew, client, unharmed)


@pytest.mark.parametrize("words", [1, 20])
async def test_a_model_is_killed_after_some_words(
    crew: Crew, unharmed: Samples, words: int
) -> None:
    """The reply goes on behind them."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", words, LIMIT_S)
        await crew.kill(await crew.holder(client, "llm"))
        await until_over(client)

    await expect_taken_over(crew, client, "llm")
    await expect_unharmed(crew, client, unharmed)


async def test_a_voice_is_killed_in_mid_sentence(crew: Crew, unharmed: Samples) -> None:
    """The audio goes on at the next sample."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("audio_start", within_s=LIMIT_S)
        await crew.kill(await crew.holder(client, "tts"))
        await until_over(client)

    await expect_taken_over(crew, client, "tts")
    await expect_unharmed(crew, client, unharmed)


async def test_a_conversation_is_killed_in_mid_reply(crew: Crew, unharmed: Samples) -> None:
    """The reply goes on, the turn ends once, and the next one is answered."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 10, LIMIT_S)
        await crew.kill(await crew.holder(client, "turn"))
        await until_over(client)
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    await expect_taken_over(crew, client, "turn")
    await expect_unharmed(crew, client, unharmed, turns=2)


@pytest.mark.parametrize("moment", ["final", "turn_started"])
async def test_a_conversation_is_killed_between_the_words_and_their_answer(
    crew: Crew, unharmed: Samples, moment: str
) -> None:
    """What was said is answered, once, by the worker that comes after."""
    async with connected(crew, {}) as client:
        await client.until("ready", within_s=LIMIT_S)
        holder = await crew.holder(client, "turn")
        await client.speak(np.concatenate([sentence(), PAUSE]))
        await client.until(moment, within_s=LIMIT_S)
        await crew.kill(holder)
        await until_over(client)

    await expect_taken_over(crew, client, "turn")
    await expect_unharmed(crew, client, unharmed)


async def test_all_that_hold_a_session_are_killed_at_once(crew: Crew, unharmed: Samples) -> None:
    """Ears, conversation, model and voice are gone in mid-reply, and it goes on with others."""
    async with connected(crew, {}) as client:
        await client.speak(np.concatenate([sentence(), PAUSE]))
        await client.until("reply_text", within_s=LIMIT_S)
        holders = [await crew.holder(client, role) for role in ROLES]
        await asyncio.gather(*(crew.kill(holder) for holder in holders))
        await until_over(client)
        await client.send("text", text="And once more?")
        await until_over(client, 2)
        for role in ("stt", "turn", "tts"):
            await expect_taken_over(crew, client, role)

    await expect_unharmed(crew, client, unharmed, turns=2)


async def test_all_workers_of_a_role_die_and_one_comes_later(crew: Crew, unharmed: Samples) -> None:
    """The reply waits, and goes on once somebody is there to speak it."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("audio_start", within_s=LIMIT_S)
        for worker in crew.workers("tts"):
            await crew.kill(worker)
        await crew.heal()
        await until_over(client)

    await expect_taken_over(crew, client, "tts")
    await expect_unharmed(crew, client, unharmed)


@pytest.mark.slow
async def test_a_worker_dies_while_there_is_no_supervisor(crew: Crew, unharmed: Samples) -> None:
    """It takes JetStream's own wait of 15 s; nothing else differs."""
    await crew.kill(crew.processes["supervisor"])
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 10, LIMIT_S)
        await crew.kill(await crew.holder(client, "llm"))
        await until_over(client)

    await expect_taken_over(crew, client, "llm")
    await expect_unharmed(crew, client, unharmed)
