"""The official npm client against real models: REST, and Realtime over ws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.npm import Node
from tests.conformance.spoken import PAUSE, SENTENCE, recorded, word_error_rate
from tests.conformance.test_realtime import has_answered
from tests.system import System
from tests.voicebus.audio.recordings import SAMPLES

# The first of them installs it.
pytestmark = [pytest.mark.model, pytest.mark.network, pytest.mark.timeout(400)]


async def test_every_rest_route(node: Node, real_system: System) -> None:
    """Its streams, its accumulators and its errors find what they look for."""
    recording = str(SAMPLES / f"{SENTENCE}.wav")
    found = await node.report("rest.mjs", f"{real_system.root}/v1", recording)

    assert {"gpt-4o-mini", "tts-1", "whisper-1"} <= set(found["models"])
    assert found["chat"]["pieces"] == found["chat"]["text"]
    assert 0 < found["chat"]["usage"]["completion_tokens"] <= 16
    assert found["response"]["kinds"][0] == "response.created"
    assert found["response"]["kinds"][-1] in {"response.completed", "response.incomplete"}
    assert found["response"]["text"]
    assert found["speech"]["type"] == "audio/wav"
    assert found["speech"]["bytes"] > 48_000
    assert word_error_rate(found["transcript"]) < 0.2
    assert found["streamed"]["last"] == "transcript.text.done"
    assert found["streamed"]["deltas"] == found["streamed"]["text"]
    assert found["refused"] == {
        "name": "NotFoundError",
        "status": 404,
        "code": "model_not_found",
        "hasId": True,
    }


async def test_conversations(node: Node, real_system: System, tmp_path: Path) -> None:
    """In text, in speech, one that only hears, and one that the client leads itself."""
    recording = tmp_path / "sentence.pcm"
    recording.write_bytes(np.concatenate([recorded(SENTENCE), PAUSE]).astype("<i2").tobytes())
    found = await node.report("realtime.mjs", f"{real_system.root}/v1", str(recording))

    text, spoken = found["text"], found["spoken"]
    assert text["bad"]["event_id"] == "bad"
    assert text["late"]["code"] == "response_cancel_not_active"
    assert has_answered(text["response"])
    assert text["response"]["metadata"] == {"topic": "greeting"}
    assert text["response"]["output"][0]["content"][0]["text"] == text["pieces"]
    assert has_answered(spoken["response"])
    assert word_error_rate(spoken["heard"]) < 0.2
    assert spoken["bytes"] > 24_000
    assert word_error_rate(found["written"]["transcript"]) < 0.2
    assert found["written"]["responses"] == 0
    expect_led_by_hand(found["byHand"])


def expect_led_by_hand(led: dict[str, Any]) -> None:
    """Manual commit, an answer aside, and one that is cut to what was heard."""
    assert word_error_rate(led["heard"]) < 0.2
    assert (led["started"], led["items"][0]) == (0, led["committed"])
    assert led["cut"]["status_details"]["reason"] == "client_cancelled"
    assert led["kept"]["content"][0]["transcript"] == ""
    assert (led["aside"]["metadata"], led["aside"]["conversation_id"]) == ({"topic": "aside"}, None)
    assert has_answered(led["aside"])
    assert led["aside"]["output"][0]["id"] not in led["items"]


async def test_a_function_that_it_runs_itself(node: Node, calling_system: System) -> None:
    """Its runner puts the call together, runs the function, and asks again with the result."""
    found = await node.report("tools.mjs", f"{calling_system.root}/v1")

    assert found["asked"] == [{"city": "Paris"}]
    assert "clear" in found["text"]


async def test_a_function_in_a_conversation(node: Node, calling_system: System) -> None:
    """The call comes as an item, its result goes back as one, and is answered."""
    found = await node.report("realtime.mjs", f"{calling_system.root}/v1", "none", "tools")

    call = found["call"]
    assert (call["type"], call["name"]) == ("function_call", "get_weather")
    assert json.loads(call["arguments"]) == {"city": "Paris"}
    assert "clear" in found["response"]["output"][0]["content"][0]["text"]
