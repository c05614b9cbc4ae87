"""A spoken answer whose writer fails behind its first word; another one has other words."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import openai
import pytest

from services.faults import Fault, FaultPlan
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import Provider, Providers
from services.llm.worker import answer
from tests.edge.openai.serving import REPLY, api, llm, tts
from tests.edge.openai.test_chat_audio import SPOKEN
from voicebus.worker import Role, Work

OTHER = "Good day to you, and to all of yours."
PCM: Any = {"audio": {"voice": "alloy", "format": "pcm16"}}
WAV: Any = {"audio": {"voice": "alloy", "format": "wav"}}


def workers() -> Mapping[str, tuple[Role, Work]]:
    """One that writes, with two providers, and one that speaks."""
    failing = FaultPlan(fault=Fault.FAIL, after=1)
    first = SyntheticSettings(reply=REPLY, ttft_ms=1, tokens_per_s=100, fault=failing)
    second = SyntheticSettings(reply=OTHER, ttft_ms=1, tokens_per_s=100, continues=False)
    listed = [
        Provider(name=name, engine=SyntheticEngine(settings))
        for name, settings in (("first", first), ("second", second))
    ]
    role, _ = llm()["llm"]
    return {"llm": (role, partial(answer, providers=Providers(listed))), **tts()}


async def test_what_comes_at_once_is_the_second_answer(nats_server: str) -> None:
    """Its words and its sound, and none of the first one's."""
    async with api(nats_server, workers()) as served:
        said = await served.sdk.chat.completions.create(**SPOKEN, **WAV)

    audio = said.choices[0].message.audio
    assert audio is not None
    assert audio.transcript == OTHER
    seconds = (len(base64.b64decode(audio.data)) - 44) / 2 / 24_000
    assert seconds == pytest.approx(0.01 * len(OTHER), abs=0.05)


async def test_what_is_streamed_ends_with_an_error(nats_server: str) -> None:
    """The API takes no words back: a transcript of both answers would be none of them."""
    told: list[str] = []

    async def listen(chunks: AsyncIterator[Any]) -> None:
        async for chunk in chunks:
            audio = chunk.choices[0].delta.model_dump().get("audio") or {}
            told.append(audio.get("transcript") or "")

    async with api(nats_server, workers()) as served:
        stream = await served.sdk.chat.completions.create(**SPOKEN, **PCM, stream=True)
        with pytest.raises(openai.APIError) as failed:
            await listen(stream)

    assert "".join(told) == "Hello"
    assert failed.value.code == "engine_unavailable"
