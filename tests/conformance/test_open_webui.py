"""Open WebUI as it calls a server: chats, dictation, reading aloud. What it is told is on its page.

The requests are those that Open WebUI 0.12 makes (``routers/openai.py``, ``routers/audio``).
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator

import av
import httpx2
import pytest

from tests.conformance.settings_blocks import settings_of
from tests.conformance.spoken import word_error_rate
from tests.system import System
from tests.voicebus.audio.recordings import recording

pytestmark = pytest.mark.model

SENTENCES = ["Hello, how are you today?", "I am fine."]


@pytest.fixture
def settings(real_system: System) -> dict[str, str]:
    """What the page has people fill in."""
    return settings_of("open-webui", real_system)


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A client that knows nothing of OpenAI."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        yield client


def key(value: str) -> dict[str, str]:
    """The header that it sends a key in."""
    return {"Authorization": f"Bearer {value}"}


async def test_a_chat(http: httpx2.AsyncClient, settings: dict[str, str]) -> None:
    """It takes the first model of the list and shows the pieces as they come."""
    base, headers = settings["OPENAI_API_BASE_URL"], key(settings["OPENAI_API_KEY"])
    listed = (await http.get(f"{base}/models", headers=headers)).json()["data"]
    chats = [model["id"] for model in listed if model["task"] == "text-generation"]
    body = {
        "model": chats[0],
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "Say hello."}],
    }
    chunks = []
    asked = http.stream("POST", f"{base}/chat/completions", headers=headers, json=body)
    async with asked as answer:
        lines = [line async for line in answer.aiter_lines() if line.startswith("data: ")]
    chunks = [json.loads(line[6:]) for line in lines[:-1]]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == "data: [DONE]"
    assert "".join(c["delta"].get("content") or "" for k in chunks for c in k["choices"]).strip()
    assert chunks[-1]["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("shape", ["multipart", "json"])
async def test_dictation(http: httpx2.AsyncClient, settings: dict[str, str], shape: str) -> None:
    """The browser's recording is WebM with Opus; it goes out as a form, or inside JSON."""
    url = f"{settings['AUDIO_STT_OPENAI_API_BASE_URL']}/audio/transcriptions"
    headers = key(settings["AUDIO_STT_OPENAI_API_KEY"])
    fields = {"model": settings["AUDIO_STT_MODEL"], "language": "en"}
    spoken = recording("webm-opus")
    if shape == "multipart":
        file = {"file": ("recording.webm", spoken)}
        answer = await http.post(url, headers=headers, data=fields, files=file)
    else:
        audio = {"data": base64.b64encode(spoken).decode(), "format": "webm"}
        answer = await http.post(url, headers=headers, json={**fields, "input_audio": audio})

    assert answer.status_code == 200
    assert word_error_rate(answer.json()["text"]) < 0.2


async def test_the_lists_that_it_offers(http: httpx2.AsyncClient, settings: dict[str, str]) -> None:
    """It asks without a key, and what the page fills in is among them."""
    base = settings["AUDIO_TTS_OPENAI_API_BASE_URL"]
    models = (await http.get(f"{base}/audio/models")).json()["models"]
    voices = (await http.get(f"{base}/audio/voices")).json()["voices"]

    assert settings["AUDIO_TTS_MODEL"] in [model["id"] for model in models]
    assert settings["AUDIO_TTS_VOICE"] in {voice["id"]: voice["name"] for voice in voices}


async def test_reading_aloud(http: httpx2.AsyncClient, settings: dict[str, str]) -> None:
    """A request for each sentence; the files are played one behind the other."""
    files = []
    for sentence in SENTENCES:
        answer = await http.post(
            f"{settings['AUDIO_TTS_OPENAI_API_BASE_URL']}/audio/speech",
            headers=key(settings["AUDIO_TTS_OPENAI_API_KEY"]),
            json={
                "input": sentence,
                "voice": settings["AUDIO_TTS_VOICE"],
                "model": settings["AUDIO_TTS_MODEL"],
            },
        )
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "audio/mpeg"
        files.append(answer.content)

    alone = [_seconds(file) for file in files]
    assert min(alone) > 0.4
    assert _seconds(b"".join(files)) == pytest.approx(sum(alone), abs=0.2)


def _seconds(file: bytes) -> float:
    with av.open(io.BytesIO(file), "r") as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
