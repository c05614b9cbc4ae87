"""The two ends of a line, the client's and the edge's, over a network that breaks all the time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.llm import TokenDelta
from schemas.session import KeysPressed
from schemas.tts import ReplyChunk
from schemas.turn import ConverseRequest, TurnEnded, TurnStarted
from tests.cutting import Proxy, proxy
from tests.edge.handset import frame, speech
from tests.edge.running import Scene, scene
from voicebus.link import Link, link

FRAMES = 150
CHUNKS = 40
START = {"type": "start", "resume": True, "input": {"format": "pcm_s16le"}}


async def storm(standing: Proxy, chance: random.Random) -> None:
    """Cut whatever connection there is: at once, in a handshake, in the middle of a frame."""
    while True:
        await asyncio.sleep(chance.uniform(0.01, 0.25))
        standing.cut_all()


async def listen(line: Link, told: list[Any]) -> None:
    """Keep what the server says, up to the end of the turn."""
    while True:
        message = await line.receive()
        told.append(message)
        if not isinstance(message, bytes) and message["type"] == "turn_ended":
            return


async def speak(line: Link, chance: random.Random) -> None:
    """Send frames whose samples say their number, and a key after every tenth."""
    for number in range(FRAMES):
        await line.send(frame(number))
        if number % 10 == 9:
            await line.send({"type": "keys", "digits": str(number // 10 % 10)})
        await asyncio.sleep(chance.uniform(0.0, 0.02))


async def reply(opened: Scene, chance: random.Random) -> None:
    """Be the workers: a reply in words and sound, a little at a time."""
    await opened.say(TurnStarted(turn=1, text="x", typed=True))
    for number in range(CHUNKS):
        await opened.say(TokenDelta(turn=1, seq=number, text=f"{number} "), *speech(1, 1, number))
        await asyncio.sleep(chance.uniform(0.0, 0.08))
    await opened.say(TurnEnded(turn=1, outcome="completed"))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]
)
async def test_a_storm_loses_nothing_and_doubles_nothing(nats_server: str, seed: int) -> None:
    """Audio, keys, words and sound: each arrives once and in its order, whatever happens."""
    chance = random.Random(seed)
    told: list[Any] = []
    async with (
        scene(nats_server) as opened,
        proxy(opened.url) as standing,
        link(standing.url) as line,
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
    ):
        await line.start(START)
        await opened.until(ConverseRequest)
        await opened.claim(Claimed(role="turn", worker="w"))
        while (await line.receive()) != {"seq": 2, "type": "ready"}:
            pass
        storming = group.create_task(storm(standing, chance))
        hearing = group.create_task(listen(line, told))
        speaking = group.create_task(speak(line, chance))
        await asyncio.wait((speaking, group.create_task(reply(opened, chance))))
        await opened.until(AudioChunk, FRAMES, within_s=30)
        await opened.until(KeysPressed, FRAMES // 10, within_s=30)
        await hearing
        storming.cancel()

    messages = [one for one in told if not isinstance(one, bytes)]
    resumed = [one for one in messages if one["type"] == "resumed"]
    chunks = [event for event in opened.said(AudioChunk) if isinstance(event, AudioChunk)]
    keys = [event for event in opened.said(KeysPressed) if isinstance(event, KeysPressed)]
    assert resumed
    assert [chunk.offset for chunk in chunks] == [320 * number for number in range(FRAMES)]
    assert b"".join(chunk.pcm for chunk in chunks) == b"".join(map(frame, range(FRAMES)))
    assert "".join(event.digits for event in keys) == "".join(
        str(number % 10) for number in range(FRAMES // 10)
    )
    said = "".join(one["text"] for one in messages if one["type"] == "reply_text")
    assert said == "".join(f"{number} " for number in range(CHUNKS))
    assert b"".join(one for one in told if isinstance(one, bytes)) == b"".join(
        chunk.pcm for chunk in speech(1, CHUNKS) if isinstance(chunk, ReplyChunk)
    )
