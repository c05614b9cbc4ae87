"""The Realtime API through the official client, against a whole system with synthetic engines."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openai import AsyncOpenAI

from tests.e2e.openai.realtime import RATE_HZ, Client, connected
from tests.system import System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.codec import Coding, Sound
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.model

SILENCE = np.zeros(2 * RATE_HZ, dtype=np.int16)
MANUAL = {"audio": {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}}
HEARD: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
SEMANTIC = {"type": "semantic_vad", "eagerness": "high"}


def sentence() -> NDArray[np.int16]:
    """A recorded sentence at the rate of the API."""
    resampler = Resampler(16_000, RATE_HZ)
    samples = read_wav(SAMPLES / "austen-amiable.wav")[1]
    return np.concatenate([resampler.push(samples), resampler.finish()])


def audio_of(client: Client, response_id: str) -> bytes:
    """All audio of a response."""
    deltas = client.of("response.output_audio.delta")
    mine = (event["delta"] for event in deltas if event["response_id"] == response_id)
    return b"".join(base64.b64decode(delta) for delta in mine)


@pytest.mark.parametrize("detection", [{"type": "server_vad"}, SEMANTIC], ids=["pause", "semantic"])
async def test_a_pause_ends_the_turn_and_the_answer_is_spoken(
    synthetic_system: System, detection: dict[str, Any]
) -> None:
    """Speech begins and stops, an item is committed, words and audio come back."""
    heard = {**HEARD["audio"]["input"], "turn_detection": detection}
    async with connected(synthetic_system, {"audio": {"input": heard}}) as client:
        await client.speak(np.concatenate([sentence(), SILENCE]))
        done = await client.until("response.done")

    assert done["response"]["status"] == "completed"
    kinds = [kind for kind in client.kinds if not kind.endswith(".delta")]
    assert kinds[2:8] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert kinds[8:] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    (heard,) = client.of("conversation.item.input_audio_transcription.completed")
    assert "synthetic utterance" in heard["transcript"]
    (told,) = client.of("response.output_audio_transcript.done")
    deltas = client.of("response.output_audio_transcript.delta")
    assert "".join(event["delta"] for event in deltas) == told["transcript"]
    assert len(audio_of(client, done["response"]["id"])) > RATE_HZ


@pytest.mark.parametrize(("kind", "law"), [("pcmu", Coding.MU), ("pcma", Coding.A)])
async def test_a_telephone_speaks_and_is_spoken_to(
    synthetic_system: System, kind: str, law: Coding
) -> None:
    """G.711 both ways: what is said is understood, and what comes back is speech."""
    wanted, sound = {"format": {"type": f"audio/{kind}"}}, Sound(law)
    session = {"audio": {"input": {**HEARD["audio"]["input"], **wanted}, "output": wanted}}
    resampler = Resampler(RATE_HZ, sound.rate_hz)
    spoken = resampler.push(np.concatenate([sentence(), SILENCE]))
    async with connected(synthetic_system, session) as client:
        await client.send_audio(sound.coded(spoken), sound.rate_hz)
        done = await client.until("response.done")

    assert done["response"]["status"] == "completed"
    (heard,) = client.of("conversation.item.input_audio_transcription.completed")
    assert "synthetic utterance" in heard["transcript"]
    answered = audio_of(client, done["response"]["id"])
    assert len(answered) > sound.rate_hz // 2
    assert len(set(answered)) > 16  # levels: silence has one or two


async def test_an_answer_is_begun_inside_the_wait_for_the_end(synthetic_system: System) -> None:
    """What was asked for early is what is heard."""
    name = "voicebus_speculations_total"
    before = synthetic_system.metric("turn", name, outcome="used")
    async with connected(synthetic_system, {}) as client:
        await client.speak(np.concatenate([sentence(), SILENCE]))
        done = await client.until("response.done")

    assert done["response"]["status"] == "completed"
    assert synthetic_system.metric("turn", name, outcome="used") == before + 1


async def test_a_turn_that_the_client_commits(synthetic_system: System) -> None:
    """Nothing is answered before the client asks; then it waits for what was said."""
    async with connected(synthetic_system, MANUAL) as client:
        await client.speak(sentence())
        await client.connection.input_audio_buffer.commit()
        await client.connection.response.create()
        done = await client.until("response.done")

    assert done["response"]["status"] == "completed"
    assert "input_audio_buffer.speech_started" not in client.kinds
    (committed,) = client.of("input_audio_buffer.committed")
    (heard,) = client.of("conversation.item.input_audio_transcription.completed")
    assert heard["item_id"] == committed["item_id"]
    assert "synthetic utterance" in heard["transcript"]


async def test_text_is_answered_with_text(synthetic_system: System) -> None:
    """Written turns, one after the other; the second one's item follows the first one's answer."""
    async with connected(synthetic_system, {"output_modalities": ["text"], **MANUAL}) as client:
        await client.type_text("Hello.")
        await client.connection.response.create()
        first = await client.until("response.done")
        await client.type_text("And again.")
        await client.connection.response.create(response={"metadata": {"topic": "again"}})
        second = await client.until("response.done")

    assert [event["response"]["status"] for event in (first, second)] == ["completed"] * 2
    assert second["response"]["metadata"] == {"topic": "again"}
    assert not client.of("response.output_audio.delta")
    added = client.of("conversation.item.added")
    ids = [event["item"]["id"] for event in added]
    assert [event.get("previous_item_id") for event in added] == [None, *ids[:-1]]
    (part,) = first["response"]["output"][0]["content"]
    assert part["text"] == client.of("response.output_text.done")[0]["text"]


async def test_a_function_is_called_and_its_result_is_answered(
    synthetic_system: System,
) -> None:
    """The call comes with its arguments; what the client gives back becomes an answer in speech."""
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    session = {"tools": [tool], "tool_choice": "required", **MANUAL}
    async with connected(synthetic_system, session) as client:
        await client.type_text("What do you see?")
        await client.connection.response.create()
        asked = await client.until("response.done")
        (call,) = asked["response"]["output"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "a cat"}
        await client.connection.conversation.item.create(item=output)
        await client.connection.response.create()
        answered = await client.until("response.done")

    assert asked["response"]["status"] == "completed"
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "look", "{}")
    (whole,) = client.of("response.function_call_arguments.done")
    deltas = client.of("response.function_call_arguments.delta")
    assert "".join(event["delta"] for event in deltas) == whole["arguments"] == "{}"
    assert answered["response"]["output"][0]["content"][0]["transcript"]


async def test_an_answer_aside_leaves_no_trace(synthetic_system: System) -> None:
    """conversation: none, with its own input: the response is made, the conversation is not."""
    aside = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hm?"}]}
    async with connected(synthetic_system, MANUAL) as client:
        wanted = {"conversation": "none", "input": [aside], "metadata": {"for": "test"}}
        await client.connection.response.create(response=wanted)
        done = await client.until("response.done")
        await client.connection.conversation.item.retrieve(
            item_id=done["response"]["output"][0]["id"]
        )
        refused = await client.until("error")

    assert done["response"]["metadata"] == {"for": "test"}
    assert done["response"].get("conversation_id") is None
    assert not client.of("conversation.item.added")
    assert refused["error"]["code"] == "item_not_found"
    assert len(audio_of(client, done["response"]["id"])) > RATE_HZ


async def test_a_bad_event_is_answered_and_the_socket_stays(synthetic_system: System) -> None:
    """Errors name the event and the reason; the session goes on as if it had not come."""
    async with connected(synthetic_system, {"output_modalities": ["text"], **MANUAL}) as client:
        send = client.connection.send
        await send({"type": "no.such.event", "event_id": "bad_1"})
        await send({"type": "conversation.item.delete", "event_id": "bad_2", "item_id": "item_x"})
        await send({"type": "response.cancel", "event_id": "bad_3"})
        await send({"type": "input_audio_buffer.commit", "event_id": "bad_4"})
        await client.type_text("Still there?")
        await client.connection.response.create()
        done = await client.until("response.done")

    told = {event["error"]["event_id"]: event["error"]["code"] for event in client.of("error")}
    assert told == {
        "bad_1": "invalid_value",
        "bad_2": "item_not_found",
        "bad_3": "response_cancel_not_active",
        "bad_4": "input_audio_buffer_commit_empty",
    }
    assert done["response"]["status"] == "completed"


async def test_a_client_of_the_beta_is_told_in_its_own_words(synthetic_system: System) -> None:
    """The same turn by the older names, in and out."""
    url = f"{synthetic_system.root}/v1"
    # Its beta half takes TLS for granted unless it is told.
    sdk = AsyncOpenAI(base_url=url, websocket_base_url=url.replace("http", "ws", 1), api_key="none")
    async with sdk, sdk.beta.realtime.connect(model="gpt-realtime") as opened:
        client = Client(opened)
        created = await client.next()
        await opened.session.update(
            session={"modalities": ["audio", "text"], "turn_detection": None}  # type: ignore[typeddict-item]  # as the beta said it
        )
        await client.until("session.updated")
        await client.type_text("Hello.")
        await opened.response.create()
        done = await client.until("response.done")

    assert created["session"]["input_audio_format"] == "pcm16"
    assert done["response"]["modalities"] == ["audio", "text"]
    assert client.of("response.audio.delta")
    assert client.of("response.audio_transcript.done")
    assert client.kinds.count("conversation.item.created") == 2


async def test_a_session_that_only_hears(synthetic_system: System) -> None:
    """intent=transcription: words of each turn, and no answer."""
    sdk = AsyncOpenAI(base_url=f"{synthetic_system.root}/v1", api_key="none")
    async with (
        sdk,
        sdk.realtime.connect(extra_query={"intent": "transcription"}) as opened,
    ):
        client = Client(opened)
        await client.until("session.created")
        await client.speak(np.concatenate([sentence(), SILENCE]))
        heard = await client.until("conversation.item.input_audio_transcription.completed")

    assert "synthetic utterance" in heard["transcript"]
    assert heard["usage"]["seconds"] > 1
    assert not client.of("response.created")
