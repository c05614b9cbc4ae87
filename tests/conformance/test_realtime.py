"""The official Python client in conversation with real models, in GA's words and the beta's."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openai import AsyncOpenAI

from tests.conformance.dialects import BETA, GA, SERVER_VAD, Dialect
from tests.conformance.spoken import PAUSE, SENTENCE, recorded, word_error_rate
from tests.e2e.openai.realtime import RATE_HZ, Client

pytestmark = [pytest.mark.model, pytest.mark.parametrize("dialect", [GA, BETA], ids=["ga", "beta"])]

STORY = "Tell me a very long story about a dragon, a king and a river."
LONG = {"max_output_tokens": 250}


def audio_of(client: Client, dialect: Dialect, response_id: str) -> bytes:
    """All audio of a response."""
    deltas = client.of(dialect.event("response.output_audio.delta"))
    mine = (event["delta"] for event in deltas if event["response_id"] == response_id)
    return b"".join(base64.b64decode(delta) for delta in mine)


async def append(client: Client, samples: NDArray[np.int16]) -> None:
    """Hand over a recording as fast as the socket takes it."""
    audio = base64.b64encode(samples.astype("<i2").tobytes()).decode()
    await client.connection.input_audio_buffer.append(audio=audio)


def has_answered(response: dict[str, Any]) -> bool:
    """Whether a response came to its end, or to the bound on its length that these systems have."""
    if response["status"] == "incomplete":
        return bool(response["status_details"]["reason"] == "max_output_tokens")
    return bool(response["status"] == "completed")


async def test_a_turn_in_text(real: AsyncOpenAI, dialect: Dialect) -> None:
    """The pieces are the text, and the model counted its tokens."""
    async with dialect.talking(real, modality="text") as client:
        await client.type_text("Say hello.")
        await client.connection.response.create()
        done = (await client.until("response.done"))["response"]

    pieces = client.of(dialect.event("response.output_text.delta"))
    (item,) = done["output"]
    (part,) = item["content"]
    assert has_answered(done)
    assert done[dialect.modalities] == ["text"]
    assert part["type"] == dialect.part("output_text")
    assert part["text"] == "".join(piece["delta"] for piece in pieces)
    assert done["usage"]["output_tokens"] > 0
    assert not client.of(dialect.event("response.output_audio.delta"))


async def test_a_turn_in_speech(real: AsyncOpenAI, dialect: Dialect) -> None:
    """The server hears where the turn ends, what was said, and answers in speech."""
    async with dialect.talking(real, turns=SERVER_VAD) as client:
        await client.speak(np.concatenate([recorded(SENTENCE), PAUSE]))
        done = (await client.until("response.done"))["response"]

    (begun,) = client.of("input_audio_buffer.speech_started")
    (ended,) = client.of("input_audio_buffer.speech_stopped")
    (heard,) = client.of("conversation.item.input_audio_transcription.completed")
    (told,) = client.of(dialect.event("response.output_audio_transcript.done"))
    assert begun["item_id"] == ended["item_id"] == heard["item_id"]
    assert begun["audio_start_ms"] < 1500
    assert 6000 < ended["audio_end_ms"] < 9100
    assert word_error_rate(heard["transcript"]) < 0.2
    assert has_answered(done)
    assert done[dialect.modalities] == list(dialect.spoken)
    assert done["output"][0]["content"][0]["type"] == dialect.part("output_audio")
    assert told["transcript"]
    spoken = np.frombuffer(audio_of(client, dialect, done["id"]), dtype="<i2")
    assert len(spoken) > RATE_HZ // 2
    assert np.abs(spoken.astype(np.int32)).max() > 1000


async def test_a_turn_that_the_client_ends(real: AsyncOpenAI, dialect: Dialect) -> None:
    """Without turn detection nothing happens until commit and response.create."""
    async with dialect.talking(real, modality="text") as client:
        await append(client, recorded(SENTENCE))
        await client.connection.input_audio_buffer.commit()
        committed = await client.until("input_audio_buffer.committed")
        await client.connection.response.create()
        done = (await client.until("response.done"))["response"]

    (heard,) = client.of("conversation.item.input_audio_transcription.completed")
    assert "input_audio_buffer.speech_started" not in client.kinds
    assert heard["item_id"] == committed["item_id"]
    assert word_error_rate(heard["transcript"]) < 0.2
    assert has_answered(done)
    # What was said, 22 words, is in the prompt.
    assert done["usage"]["input_tokens"] > 22


async def test_an_interruption(real: AsyncOpenAI, dialect: Dialect) -> None:
    """Speech ends the answer; what the client then says it has played is what is remembered."""
    async with dialect.talking(real, turns=SERVER_VAD) as client:
        await client.type_text(STORY)
        await client.connection.response.create(response=LONG)
        item_id = (await client.until("response.output_item.added"))["item"]["id"]
        response_id = client.of("response.created")[0]["response"]["id"]
        while len(audio_of(client, dialect, response_id)) < 3 * RATE_HZ * 2:
            await client.until(dialect.event("response.output_audio.delta"))
        await client.speak(recorded("austen-amiable"))
        done = (await client.until("response.done"))["response"]
        await client.connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=1500
        )
        truncated = await client.until("conversation.item.truncated")
        await client.connection.conversation.item.retrieve(item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]

    sent = done["output"][0]["content"][0]["transcript"]
    kept = item["content"][0]["transcript"]
    assert done["status"] == "cancelled"
    assert done["status_details"]["reason"] == "turn_detected"
    assert truncated["audio_end_ms"] == 1500
    assert sent.startswith(kept)
    assert 0 < len(kept) < len(sent)
    assert not client.of("error")


async def test_an_answer_that_the_client_cancels(real: AsyncOpenAI, dialect: Dialect) -> None:
    """In time it ends the answer; too late it is an error that says so, and nothing else."""
    async with dialect.talking(real) as client:
        await client.type_text(STORY)
        await client.connection.response.create(response=LONG)
        await client.until(dialect.event("response.output_audio.delta"))
        await client.connection.response.cancel()
        done = (await client.until("response.done"))["response"]
        await client.connection.response.cancel(event_id="late", response_id=done["id"])
        late = (await client.until("error"))["error"]
        await client.type_text("Say hello.")
        await client.connection.response.create()
        after = (await client.until("response.done"))["response"]

    assert done["status"] == "cancelled"
    assert done["status_details"]["reason"] == "client_cancelled"
    assert done["output"][0]["status"] == "incomplete"
    assert (late["code"], late["event_id"]) == ("response_cancel_not_active", "late")
    assert has_answered(after)


async def test_an_answer_outside_the_conversation(real: AsyncOpenAI, dialect: Dialect) -> None:
    """It has its own input, its metadata come back, and nobody remembers it."""
    asked = {"type": "input_text", "text": "Is the sky blue?"}
    aside: Any = {
        "conversation": "none",
        "input": [{"type": "message", "role": "user", "content": [asked]}],
        "metadata": {"purpose": "classify"},
        dialect.modalities: ["text"],
    }
    async with dialect.talking(real) as client:
        await client.connection.response.create(response=aside)
        done = (await client.until("response.done"))["response"]
        await client.connection.conversation.item.retrieve(item_id=done["output"][0]["id"])
        refused = (await client.until("error"))["error"]

    assert has_answered(done)
    assert done["metadata"] == {"purpose": "classify"}
    assert done["output"][0]["content"][0]["text"]
    assert not client.of(dialect.event("conversation.item.added"))
    assert refused["code"] == "item_not_found"


async def test_a_bad_event_keeps_the_socket(real: AsyncOpenAI, dialect: Dialect) -> None:
    """Each is answered with its own error, and the next good one with what it asks for."""
    async with dialect.talking(real, modality="text") as client:
        send = client.connection.send
        await send({"type": "no.such.event", "event_id": "unknown"})
        await send({"type": "input_audio_buffer.append", "event_id": "no audio", "audio": "%%"})
        await send({"type": "conversation.item.delete", "event_id": "no item", "item_id": "x"})
        await client.type_text("Say hello.")
        await client.connection.response.create()
        done = (await client.until("response.done"))["response"]

    told = [event["error"]["event_id"] for event in client.of("error")]
    assert told == ["unknown", "no audio", "no item"]
    assert has_answered(done)


async def test_a_session_that_only_hears(real: AsyncOpenAI, dialect: Dialect) -> None:
    """What was said is written down; nobody answers."""
    async with dialect.connected(real, extra_query={"intent": "transcription"}) as client:
        heard = {"turn_detection": SERVER_VAD, "transcription": {"model": "whisper-1"}}
        if dialect is GA:
            session: Any = {"type": "transcription", "audio": {"input": heard}}
            await client.connection.session.update(session=session)
        else:
            older: Any = {
                "input_audio_transcription": heard["transcription"],
                "turn_detection": SERVER_VAD,
            }
            await client.connection.transcription_session.update(session=older)
        updated = await client.next()
        await append(client, np.concatenate([recorded(SENTENCE), PAUSE]))
        written = await client.until("conversation.item.input_audio_transcription.completed")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await client.until("response.created")

    older_name = "transcription_session.updated"
    assert updated["type"] == ("session.updated" if dialect is GA else older_name)
    assert word_error_rate(written["transcript"]) < 0.2
