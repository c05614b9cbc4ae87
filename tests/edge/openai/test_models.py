"""What the fleet serves, under all of its names."""

from __future__ import annotations

import asyncio

import httpx2
import openai
import pytest

from services.tts.engines.synthetic import SyntheticEngine as Speaker
from services.tts.engines.synthetic import SyntheticSettings as SpeakerSettings
from tests.edge.openai.serving import api, llm, tts

REALTIME = [
    "gpt-realtime",
    "gpt-realtime-mini",
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-4o-realtime-preview",
]


async def test_models_are_those_of_the_fleet_and_their_aliases(nats_server: str) -> None:
    """An alias of a role that nobody has is not there."""
    async with api(nats_server, {**llm(), **tts()}) as served:
        listed = [model.id async for model in served.sdk.models.list()]
        one = await served.sdk.models.retrieve("tts-1")

    assert listed == ["synthetic", "gpt-4o-mini", "tts-1", "tts-1-hd", "gpt-4o-mini-tts", *REALTIME]
    assert one.id == "tts-1"
    assert one.owned_by == "voicebus"
    assert one.model_dump()["voices"][0] == {"name": "synthetic"}


@pytest.mark.parametrize("path", ["org/name", "org%2Fname"])
async def test_a_model_s_name_may_have_slashes(nats_server: str, path: str) -> None:
    """Those of model hubs do; clients send them as they are, or escaped."""
    settings = {"openai_aliases": "org/name=llm"}
    async with api(nats_server, llm(), settings) as served:
        found = await served.http.get(f"/v1/models/{path}")

    assert found.json()["id"] == "org/name"


async def test_an_unknown_model_is_not_found(nats_server: str) -> None:
    """With the SDK's own error."""
    async with api(nats_server, {}) as served:
        with pytest.raises(openai.NotFoundError) as unknown:
            await served.sdk.models.retrieve("nobody")

    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")


async def test_a_model_that_cannot_be_chosen_is_refused(nats_server: str) -> None:
    """Speech is made by whoever is free: one of several models cannot be promised."""
    other = Speaker(SpeakerSettings(ttfa_ms=1))
    other.name = "other"
    body = {"input": "Hello.", "response_format": "pcm"}
    async with api(nats_server, tts()) as served:
        alone = await served.http.post("/v1/audio/speech", json={**body, "model": "synthetic"})
    async with api(nats_server, {"a": tts()["tts"], "b": tts(other)["tts"]}) as served:
        while len((await served.http.get("/v1/models")).json()["data"]) < 5:
            await asyncio.sleep(0.05)
        named = await served.http.post("/v1/audio/speech", json={**body, "model": "synthetic"})
        any_of_them = await served.http.post("/v1/audio/speech", json={**body, "model": "tts-1"})

    assert (alone.status_code, any_of_them.status_code) == (200, 200)
    assert (named.status_code, named.json()["error"]["code"]) == (400, "model_not_selectable")


async def test_voices_are_listed_for_open_webui(nats_server: str) -> None:
    """Voices, then the names that stand for the default one; models that speak."""
    async with api(nats_server, {**llm(), **tts()}) as served:
        voices = await served.http.get("/v1/audio/voices")
        models = await served.http.get("/v1/audio/models")

    assert voices.json()["voices"][:2] == [
        {"id": "synthetic", "name": "synthetic"},
        {"id": "alloy", "name": "alloy"},
    ]
    assert ids(models) == ["synthetic", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]


async def test_where_nobody_speaks_there_are_no_voices(nats_server: str) -> None:
    """What cannot be had is not offered."""
    async with api(nats_server, {}) as served:
        voices = await served.http.get("/v1/audio/voices")

    assert voices.json() == {"voices": []}


def ids(answer: httpx2.Response) -> list[str]:
    """The models of an answer."""
    return [model["id"] for model in answer.json()["models"]]
