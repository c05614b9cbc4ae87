"""What programs send that people point at an edge, as they send it."""

from __future__ import annotations

import json
from typing import Any

from tests.edge.openai.serving import REPLY, api
from tests.voicebus.audio.test_encode import heard


async def test_open_webui_finds_voices_and_speaks(nats_server: str) -> None:
    """Its list of voices and of models, asked without a key, and its call for speech."""
    body: dict[str, Any] = {"model": "tts-1", "input": "Hello.", "voice": "alloy", "params": {}}
    async with api(nats_server) as served:
        voices = (await served.http.get("/v1/audio/voices")).json()["voices"]
        models = (await served.http.get("/v1/audio/models")).json()["models"]
        speech = await served.http.post("/v1/audio/speech", json=body)

    assert {"id": "alloy", "name": "alloy"} in voices
    assert {"id": "tts-1", "name": "tts-1"} in models
    assert heard(speech.content)[0] > 0


async def test_open_webui_chats(nats_server: str) -> None:
    """With fields of its own in the body, a stream, and the usage at its end."""
    body: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "chat_id": "1",
        "features": {"web_search": False},
        "max_tokens": 64,
    }
    headers = {"authorization": "Bearer any", "x-openwebui-user-name": "Ann"}
    async with api(nats_server) as served:
        answer = await served.http.post("/v1/chat/completions", json=body, headers=headers)

    *chunks, done = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    told = [json.loads(chunk) for chunk in chunks]
    words = [choice["delta"].get("content", "") for chunk in told for choice in chunk["choices"]]
    assert done == "[DONE]"
    assert "".join(words) == REPLY
    assert told[-1]["usage"]["completion_tokens"] == 7


async def test_home_assistant_speaks_through_wyoming_openai(nats_server: str) -> None:
    """It wants wav in pieces, and sends the word None where it has no instructions."""
    async with (
        api(nats_server) as served,
        served.sdk.audio.speech.with_streaming_response.create(
            model="tts-1",
            voice="synthetic",
            input="Hello there, how are you?",
            response_format="wav",
            speed=1.0,
            instructions="None",
        ) as answer,
    ):
        file = b"".join([piece async for piece in answer.iter_bytes(chunk_size=2048)])

    assert answer.headers["content-type"] == "audio/wav"
    assert file[:4] == b"RIFF"
    assert heard(file)[0] > 0.2
