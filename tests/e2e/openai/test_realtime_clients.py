"""Realtime clients as they are: one that leads turns itself, and one that sends nonsense."""

from __future__ import annotations

import asyncio
import random

import msgspec
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.openai.realtime import connected
from tests.e2e.openai.test_realtime import MANUAL, SILENCE, sentence
from tests.system import System

pytestmark = pytest.mark.model

OWN_TURNS = {
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "turn_detection": {
                "type": "server_vad",
                "create_response": False,
                "interrupt_response": False,
            },
        }
    }
}

EVENTS = [
    '{"type":"input_audio_buffer.append","audio":"AAAAAAAAAAAAAAAA"}',
    '{"type":"input_audio_buffer.append","audio":"' + "AAAA" * 4_000 + '"}',
    '{"type":"input_audio_buffer.append","audio":"%"}',
    '{"type":"input_audio_buffer.commit"}',
    '{"type":"input_audio_buffer.clear"}',
    '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}',
    '{"type":"conversation.item.create","item":{"id":"mine","type":"function_call_output",'
    '"call_id":"c","output":"x"}}',
    '{"type":"conversation.item.delete","item_id":"mine"}',
    '{"type":"conversation.item.truncate","item_id":"mine","content_index":0,"audio_end_ms":5}',
    '{"type":"response.create"}',
    '{"type":"response.create","response":{"instructions":"Hi.","output_modalities":["text"]}}',
    '{"type":"response.create","response":{"tools":[{"type":"mcp"}]}}',
    '{"type":"response.cancel"}',
    '{"type":"session.update","session":{"type":"realtime","turn_detection":null}}',
    '{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcmu"}}}}}',
    '{"type":"session.update","session":[]}',
    "{}",
    "nonsense",
    '{"type":"' + "x" * 5_000 + '"}',
]


async def test_a_client_that_leads_the_turns_itself(synthetic_system: System) -> None:
    """It hears of speech, decides when to answer, and says what the answer is for.

    So does Open WebUI in its calls: an answer is created with metadata, which come back, and is
    cut where it was heard; any error would end its call.
    """
    async with connected(synthetic_system, OWN_TURNS) as client:
        await client.speak(np.concatenate([sentence(), SILENCE]))
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        rules = {
            "id": "rules_1",
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": "Be brief."}],
        }
        await client.connection.conversation.item.create(item=rules, previous_item_id="root")
        await client.connection.response.create(response={"metadata": {"call": "1"}})
        done = (await client.until("response.done"))["response"]
        item_id = done["output"][0]["id"]
        await client.connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=300
        )
        await client.until("conversation.item.truncated")
        await client.connection.conversation.item.delete(item_id=heard["item_id"])
        await client.until("conversation.item.deleted")

    assert client.kinds.count("response.created") == 1
    assert (done["status"], done["metadata"]) == ("completed", {"call": "1"})
    assert not client.of("error")


async def test_nonsense_disturbs_nobody_else(synthetic_system: System) -> None:
    """Random events in random order: each session stays usable, and so does the one beside them."""
    url = synthetic_system.root.replace("http", "ws", 1) + "/v1/realtime"
    async with connected(synthetic_system, {"output_modalities": ["text"], **MANUAL}) as client:
        await asyncio.gather(*(_nonsense(url, seed) for seed in range(4)))
        await client.type_text("Hello.")
        await client.connection.response.create()
        done = await client.until("response.done")

    assert done["response"]["status"] == "completed"
    assert not client.of("error")


async def _nonsense(url: str, seed: int) -> None:
    """Say random things, then see that the session still does what it is asked."""
    chosen = random.Random(seed)
    async with connect(url, proxy=None, max_size=None) as socket:
        for _ in range(150):
            await socket.send(chosen.choice(EVENTS))
        await socket.send('{"type":"response.nope","event_id":"last"}')
        await _answered(socket, "last")


async def _answered(socket: ClientConnection, event_id: str) -> None:
    """Wait until the session has dealt with all that was said before this event."""
    async with asyncio.timeout(60):
        async for frame in socket:
            told = msgspec.json.decode(frame)
            if told["type"] == "error" and told["error"]["event_id"] == event_id:
                return
    pytest.fail("the session has ended")
