"""Answers that are spoken, too."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.edge.openai.serving import REPLY, api
from tests.edge.openai.test_chat import LOOK
from tests.voicebus.audio.test_encode import heard

ASK: Any = [{"role": "user", "content": "hello"}]
SPOKEN: Any = {"model": "gpt-4o-mini", "messages": ASK, "modalities": ["text", "audio"]}


async def test_an_answer_is_words_and_their_sound(nats_server: str) -> None:
    """The file is as long as the words take: 10 ms for a character."""
    async with api(nats_server) as served:
        said = await served.sdk.chat.completions.create(
            **SPOKEN, audio={"voice": "alloy", "format": "mp3"}
        )

    message = said.choices[0].message
    assert message.content is None
    assert message.audio is not None
    assert message.audio.transcript == REPLY
    seconds, _ = heard(base64.b64decode(message.audio.data))
    assert seconds == pytest.approx(0.01 * len(REPLY), abs=0.15)


async def test_words_and_sound_are_streamed(nats_server: str) -> None:
    """Pieces of both under one id; why it ended comes behind the last sound."""
    async with api(nats_server) as served:
        stream = await served.sdk.chat.completions.create(
            **SPOKEN, audio={"voice": "alloy", "format": "pcm16"}, stream=True
        )
        deltas = [chunk.choices[0] async for chunk in stream]

    told = [choice.delta.model_dump(exclude_none=True).get("audio") for choice in deltas]
    parts: list[dict[str, Any]] = [part for part in told if part]
    assert "".join(part.get("transcript", "") for part in parts) == REPLY
    pcm = b"".join(base64.b64decode(part.get("data", "")) for part in parts)
    assert len(pcm) / 2 / 24_000 == pytest.approx(0.01 * len(REPLY), abs=0.05)
    assert len({part["id"] for part in parts}) == 1
    assert "expires_at" in parts[-1]
    assert [choice.finish_reason for choice in deltas if choice.finish_reason] == ["stop"]
    assert deltas[-1].finish_reason == "stop"


async def test_what_only_calls_a_function_has_no_sound(nats_server: str) -> None:
    """Neither words nor a file of silence, which a client would play: as OpenAI answers it."""
    call: Any = {"tools": [LOOK], "tool_choice": "required", "audio": {"format": "wav"}}
    async with api(nats_server) as served:
        said = await served.sdk.chat.completions.create(**SPOKEN, **call)
        stream = await served.sdk.chat.completions.create(**SPOKEN, **call, stream=True)
        deltas = [chunk.choices[0] async for chunk in stream]

    message = said.choices[0].message
    assert message.tool_calls is not None
    assert (message.audio, message.content) == (None, None)
    assert any(choice.delta.tool_calls for choice in deltas)
    assert not any("audio" in choice.delta.model_dump(exclude_none=True) for choice in deltas)
    assert deltas[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("wrong", "param"), [({"n": 2}, "n"), ({"audio": {"voice": "nobody"}}, "voice")], ids=str
)
async def test_what_cannot_be_spoken_is_refused(
    nats_server: str, wrong: dict[str, Any], param: str
) -> None:
    """Before anybody works on it."""
    async with api(nats_server) as served:
        refused = await served.http.post("/v1/chat/completions", json={**SPOKEN, **wrong})

    assert 400 <= refused.status_code < 500
    assert refused.json()["error"]["param"] == param
