"""Ten people at once with real engines: everyone is answered, nobody gets another's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.turn import TurnEnded, TurnStarted
from services.tts.engines.piper import PiperEngine
from tests.e2e.client import PAUSE, RATE_HZ, Client, connected, log_of, word_error_rate
from tests.pipers import joe
from tests.system import System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.model

RECORDED = {
    "austen-leisure": (
        "and mister john dashwood had then leisure to consider how much there might be "
        "prudently in his power to do for them"
    ),
    "austen-disposition": "he was not an ill disposed young man",
    "austen-amiable": "he might even have been made amiable himself",
}
READ_OUT = (
    "The yellow bicycle belongs to my grandmother.",
    "Please bring seven wooden chairs into the kitchen.",
    "Our train to the mountains leaves at midnight.",
    "Nobody expected snow in the middle of August.",
    "The doctor recommended fresh oranges and sleep.",
    "Sailors used to carry letters across the ocean.",
    "A small dog was barking behind the church.",
)


async def read_out(texts: tuple[str, ...]) -> AsyncIterator[NDArray[np.int16]]:
    """Yield each sentence in a synthesised voice at the callers' rate."""
    engine = PiperEngine(joe())
    try:
        for text in texts:
            resampler = Resampler(engine.sample_rate_hz, RATE_HZ)
            parts = [resampler.push(piece) async for piece in engine.synthesise(text, "", 1.0)]
            yield np.concatenate([*parts, resampler.finish()])
    finally:
        await engine.close()


async def converse(system: System, said: NDArray[np.int16]) -> Client:
    """Speak in real time, be silent, and hear the answer to its end."""
    async with connected(system, {}) as client:
        await client.speak(np.concatenate([said, PAUSE]), pace=1.0)
        await client.until("turn_ended", within_s=60)
    return client


async def test_ten_callers_are_answered_with_their_own_words(real_system: System) -> None:
    """Each of ten callers is understood, answered, and told nothing of the other nine."""
    texts = [*RECORDED.values(), *READ_OUT]
    voices = [read_wav(SAMPLES / f"{name}.wav")[1] for name in RECORDED]
    voices += [samples async for samples in read_out(READ_OUT)]

    clients = await asyncio.gather(*(converse(real_system, voice) for voice in voices))

    sessions = {client.messages("metadata")[0]["session_id"] for client in clients}
    assert len(sessions) == 10
    for number, client in enumerate(clients):
        heard = " ".join(message["text"] for message in client.messages("final"))
        rates = [word_error_rate(text, heard) for text in texts]
        assert rates[number] <= 0.25, heard
        assert min(rates[:number] + rates[number + 1 :]) > 0.6, heard
        assert client.messages("error") == []
        ended = client.messages("turn_ended")
        assert [message["outcome"] for message in ended][-1] == "completed"
        assert client.audio().size > RATE_HZ // 4
        await expect_told_what_the_log_says(real_system, client)


async def expect_told_what_the_log_says(system: System, client: Client) -> None:
    """What a caller was told is what was recorded of its own session."""
    log: list[Any] = await log_of(system, client.messages("metadata")[0]["session_id"])
    started = [event.text for event in log if isinstance(event, TurnStarted)]
    replies = [event.reply for event in log if isinstance(event, TurnEnded)]
    assert [message["text"] for message in client.messages("turn_started")] == started
    assert client.messages("reply_done")[-1]["text"] == replies[-1]
