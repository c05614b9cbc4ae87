"""Callers for a while: they speak, are answered, interrupt, and hang up; and programs."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx2
import numpy as np

from edge.openai.names import TASKS
from tests.e2e.client import PAUSE, Listener, connected
from tests.monitoring.channels import Door, channels
from tests.monitoring.house import House
from tests.plain import PLAIN
from voicebus import parts
from voicebus.audio.wav import read_wav
from voicebus.caller import call

_SAMPLES: Final = ("austen-amiable.wav", "austen-leisure.wav")
_FOLDER: Final = parts.project_root() / "examples" / "samples"
_REST_S: Final = 2.0

ENOUGH: Final = 40
"""Requests of different users for different things: as many series, were a label not bounded."""


async def everything(house: House, callers: int, seconds: float) -> int:
    """Have callers, some who interrupt, a program and every other channel for a while.

    Args:
        house: Where they call.
        callers: At once.
        seconds: For how long something new is begun.

    Returns:
        How many turns of the callers were answered.
    """
    url = f"ws://{house.edge}/ws"
    answered, *_ = await asyncio.gather(
        talk(house.up.port, callers, seconds),
        interrupt(url, seconds),
        waste(url, seconds),
        ask(f"http://{house.edge}", seconds),
        channels(house, seconds),
    )
    return answered


async def interrupt(url: str, seconds: float) -> None:
    """Interrupt one reply after the other, as people do: by speaking into it."""
    speech = read_wav(_FOLDER / _SAMPLES[0])[1]
    end_s, turn = time.monotonic() + seconds, 1
    async with connected(Door(url), {}) as client:
        client.listener = Listener.SILENT
        while time.monotonic() < end_s:
            await client.speak(np.concatenate([speech, PAUSE]), pace=1.0)
            await client.until("audio_start", turn=turn)
            turn += 1


async def waste(url: str, seconds: float) -> None:
    """Interrupt replies that are still being made: what is made of them is for nobody."""
    speech = read_wav(_FOLDER / _SAMPLES[0])[1]
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        async with connected(Door(url), {"interruption": {"min_words": 0}}) as client:
            client.listener = Listener.SILENT
            for turn in (1, 2, 3):
                await client.speak(np.concatenate([speech, PAUSE, PAUSE]))
                await client.until("audio_start", turn=turn)
        await asyncio.sleep(_REST_S)


async def ask(url: str, seconds: float) -> None:
    """Ask one question after the other of the API, each as another user.

    It goes on until there were enough to see what each of them leaves behind.
    """
    end_s, asked = time.monotonic() + seconds, 0
    async with httpx2.AsyncClient(base_url=url, timeout=30, **PLAIN) as client:
        models = (await client.get("/v1/models")).json()["data"]
        model = next(one["id"] for one in models if one["task"] == TASKS["llm"])
        while time.monotonic() < end_s or asked < ENOUGH:
            asked += 1
            question = {"role": "user", "content": f"What of number {asked}?"}
            body = {"model": model, "messages": [question], "user": f"user-{asked}"}
            answer = await client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            unknown = await client.get(f"/v1/models/unknown-{asked}")
            assert unknown.status_code == 404, unknown.text


async def talk(port: int, callers: int, seconds: float) -> int:
    """Keep callers talking, each in session after session; return how many turns were answered.

    Args:
        port: Of the edge.
        callers: At once.
        seconds: For how long a new turn is begun.
    """
    recordings = [read_wav(_FOLDER / name)[1] for name in _SAMPLES]
    end_s = time.monotonic() + seconds

    async def one(number: int) -> int:
        answered = 0
        while time.monotonic() < end_s:
            async with call(f"ws://127.0.0.1:{port}/ws") as caller:
                for recording in recordings[number % 2 :]:
                    heard = await caller.speak(recording)
                    answered += bool(heard.reply)
        return answered

    return sum(await asyncio.gather(*[one(number) for number in range(callers)]))
