"""Open WebUI on the telephone: the events that it sends, the rules by which it hangs up.

Its bridge (``routers/audio/realtime.py`` of 0.12) ends a call at any ``error`` but
``response_cancel_not_active``, and asks for an answer when a transcript is complete.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.conformance.settings_blocks import settings_of
from tests.conformance.spoken import PAUSE, SENTENCE, recorded, word_error_rate
from tests.conformance.test_realtime import has_answered
from tests.e2e.openai.realtime import WAIT_S, ServerEvent
from tests.e2e.upstream import LanguageModel, calling
from tests.system import System

pytestmark = pytest.mark.model

LARGEST_EVENT_BYTES = 512 * 1024
PCM: Any = {"type": "audio/pcm", "rate": 24_000}
ASK_CHAT: Any = {
    "type": "function",
    "name": "generate_chat_completion",
    "description": "Ask the chat's model.",
    "parameters": {
        "type": "object",
        "properties": {"request": {"type": "string"}},
        "required": ["request"],
        "additionalProperties": False,
    },
}
HEARD = "conversation.item.input_audio_transcription.completed"


class Call:
    """The bridge's end of the socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.samples: dict[str, int] = {}

    async def send(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def next(self) -> ServerEvent:
        """Wait for the next event, and hang up where Open WebUI would."""
        async with asyncio.timeout(WAIT_S):
            event: ServerEvent = json.loads(await self._socket.recv())
        if event["type"] == "error":
            assert event["error"]["code"] == "response_cancel_not_active", event
        if event["type"] == "response.output_audio.delta":
            pcm = base64.b64decode(event["delta"], validate=True)
            assert len(pcm) % 2 == 0
            item_id = event["item_id"]
            self.samples[item_id] = self.samples.get(item_id, 0) + len(pcm) // 2
        return event

    async def until(self, kind: str) -> ServerEvent:
        """Wait for an event of a type."""
        while (event := await self.next())["type"] != kind:
            pass
        return event

    async def speak(self, name: str) -> None:
        """Send what the browser recorded: a second at most in an event."""
        pcm = np.concatenate([recorded(name), PAUSE]).astype("<i2").tobytes()
        for at in range(0, len(pcm), 48_000):
            audio = base64.b64encode(pcm[at : at + 48_000]).decode()
            await self.send("input_audio_buffer.append", audio=audio)


@asynccontextmanager
async def calling_up(system: System) -> AsyncIterator[Call]:
    """Open a call with the settings of the page; the handshake has two events, no others."""
    chosen = settings_of("open-webui", system)
    base = chosen["AUDIO_REALTIME_OPENAI_API_BASE_URL"].replace("http", "ws", 1)
    url = f"{base}/realtime?model={chosen['AUDIO_REALTIME_MODEL']}"
    headers = {"Authorization": f"Bearer {chosen['AUDIO_REALTIME_OPENAI_API_KEY']}"}
    async with connect(
        url, additional_headers=headers, max_size=LARGEST_EVENT_BYTES, proxy=None
    ) as socket:
        call = Call(socket)
        assert (await call.next())["type"] == "session.created"
        detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
        heard = {"model": chosen["AUDIO_REALTIME_TRANSCRIPTION_MODEL"]}
        session = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": "You are on the telephone.",
            "audio": {
                "input": {"format": PCM, "transcription": heard, "turn_detection": detection},
                "output": {"format": PCM, "voice": chosen["AUDIO_REALTIME_VOICE"]},
            },
            "tools": [ASK_CHAT],
            "tool_choice": "auto",
        }
        await call.send("session.update", session=session)
        assert (await call.next())["type"] == "session.updated"
        yield call


async def test_a_call(real_system: System) -> None:
    """History, a turn and its answer, an interruption, and a word on how things stand."""
    async with calling_up(real_system) as call:
        for revision in (1, 2):
            note = {"type": "input_text", "text": "Current chat snapshot: []"}
            item = {"type": "message", "role": "system", "content": [note]}
            name = f"chat_context_{revision}"
            await call.send("conversation.item.create", item={"id": name, **item})
        await call.send("conversation.item.delete", item_id="chat_context_1")
        await call.speak(SENTENCE)
        heard = await call.until(HEARD)
        asked = {"metadata": {"input_item_id": heard["item_id"]}}
        await call.send("response.create", response=asked)
        created = (await call.until("response.created"))["response"]
        begun = await call.until("response.output_audio.delta")
        await call.send("response.cancel", response_id=created["id"])
        done = (await call.until("response.done"))["response"]
        item_id = begun["item_id"]
        end_ms = call.samples[item_id] * 1000 // 24_000 // 2
        place = {"item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
        await call.send("conversation.item.truncate", **place)
        await call.until("conversation.item.truncated")
        await call.send("response.cancel", response_id=created["id"])  # too late: no harm
        status = {
            "conversation": "none",
            "input": [],
            "tools": [],
            "tool_choice": "none",
            "instructions": "Say this briefly: one moment, please.",
            "metadata": {"status": "working"},
        }
        await call.send("response.create", response=status)
        said = (await call.until("response.done"))["response"]

    assert word_error_rate(heard["transcript"]) < 0.2
    assert created["metadata"] == {"input_item_id": heard["item_id"]}
    assert done["id"] == created["id"]
    assert done["status"] in {"cancelled", "completed", "incomplete"}
    assert has_answered(said)
    assert said["metadata"] == {"status": "working"}


async def test_the_chat_is_asked(calling_system: System, language_model: LanguageModel) -> None:
    """The voice calls the chat's model; what that answers is spoken once."""
    script = calling("generate_chat_completion", {"request": "the weather"})
    async with calling_up(calling_system) as call:
        with language_model.following(script):
            await call.speak(SENTENCE)
            heard = await call.until(HEARD)
            asked = {"metadata": {"input_item_id": heard["item_id"]}}
            await call.send("response.create", response=asked)
            item = (await call.until("response.output_item.done"))["item"]
            await call.until("response.done")
            output = json.dumps({"status": "completed", "answer": "It is sunny."})
            result = {"type": "function_call_output", "call_id": item["call_id"], "output": output}
            await call.send("conversation.item.create", item=result)
            spoken = {"tools": [], "tool_choice": "none", "metadata": {"call_id": item["call_id"]}}
            await call.send("response.create", response=spoken)
            answered = (await call.until("response.done"))["response"]

    assert (item["type"], item["status"]) == ("function_call", "completed")
    assert json.loads(item["arguments"]) == {"request": "the weather"}
    assert answered["metadata"] == {"call_id": item["call_id"]}
    assert "sunny" in answered["output"][0]["content"][0]["transcript"]
    assert call.samples


async def test_reading_aloud_in_a_conversation(real_system: System) -> None:
    """Its engine ``openai-realtime``: one answer aside, which must be whole."""
    chosen = settings_of("open-webui", real_system)
    base = chosen["AUDIO_TTS_OPENAI_API_BASE_URL"].replace("http", "ws", 1)
    aloud = {"tools": [], "tool_choice": "none", "instructions": "Read the text aloud."}
    text = {"type": "input_text", "text": "Hello."}
    async with connect(f"{base}/realtime?model=gpt-realtime", proxy=None) as socket:
        call = Call(socket)
        assert (await call.next())["type"] == "session.created"
        audio = {
            "input": {"turn_detection": None, "transcription": None},
            "output": {"format": PCM, "voice": chosen["AUDIO_TTS_VOICE"]},
        }
        session = {"type": "realtime", "output_modalities": ["audio"], "audio": audio, **aloud}
        await call.send("session.update", session=session)
        assert (await call.next())["type"] == "session.updated"
        message = {"type": "message", "role": "user", "content": [text]}
        aside = {"conversation": "none", "output_modalities": ["audio"], "input": [message]}
        await call.send("response.create", response={**aside, **aloud})
        done = (await call.until("response.done"))["response"]

    assert has_answered(done)
    assert sum(call.samples.values()) > 4_800
