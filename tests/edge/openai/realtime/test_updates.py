"""What a Realtime session can become while it runs, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from edge.openai.realtime.asking import Naming
from tests.edge.openai.realtime.scenes import HEARD, Scene, types

WANTED: dict[str, Any] = {
    "transcription": {"model": "whisper-1", "language": "de", "prompt": "Amsel"},
    "turn_detection": {
        "type": "server_vad",
        "silence_duration_ms": 900,
        "create_response": False,
    },
}


def test_before_any_audio_the_caller_is_heard_as_an_update_says() -> None:
    """What is told is what the recogniser is asked."""
    scene = Scene(**HEARD)
    (told,) = scene.say("session.update", session={"audio": {"input": WANTED}})
    scene.append()

    heard = told["session"]["audio"]["input"]
    settings = scene.machine.listening.settings
    assert heard["turn_detection"]["silence_duration_ms"] == 900
    assert settings.end_of_turn.min_hold_ms == 900
    assert (heard["transcription"]["language"], settings.language) == ("de", "de")


@pytest.mark.parametrize("between", [{}, {"turn_detection": None, "transcription": None}])
def test_an_update_tells_how_the_caller_is_heard_in_fact(between: dict[str, Any]) -> None:
    """The recogniser has its job with the first audio: what it will not do is not told as done."""
    scene = Scene(**HEARD)
    asked = scene.machine.listening
    scene.append()
    scene.say("session.update", session={"audio": {"input": between}})
    (told,) = scene.say("session.update", session={"audio": {"input": WANTED}})

    heard = told["session"]["audio"]["input"]
    assert heard["turn_detection"]["silence_duration_ms"] == 500
    assert heard["turn_detection"]["create_response"] is False
    assert heard["transcription"] == {"model": "whisper-1"}
    assert scene.machine.listening == asked


def test_pauses_of_another_kind_are_not_told_once_the_caller_is_heard() -> None:
    """semantic_vad is another way to hear, too; what is the edge's own follows."""
    scene = Scene()
    scene.append()
    wanted = {"type": "semantic_vad", "eagerness": "high", "interrupt_response": False}
    (told,) = scene.say("session.update", session={"turn_detection": wanted})

    detection = told["session"]["audio"]["input"]["turn_detection"]
    assert (detection["type"], detection["interrupt_response"]) == ("server_vad", False)


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"model": "another"}, "model_settled", "session.model"),
        ({"voice": "nobody"}, "voice_not_found", "session.audio.output.voice"),
    ],
)
def test_what_a_session_cannot_become_is_refused(
    session: dict[str, Any], code: str, param: str
) -> None:
    """Nothing of such an update is done; what changes nothing is no mistake."""
    scene = Scene(Naming(known_voices=("anna", "alloy")), model="first")
    (told,) = scene.say("session.update", session={"instructions": "Be brief.", **session})
    (good,) = scene.say("session.update", session={"model": "first", "voice": "anna"})

    assert (told["error"]["code"], told["error"]["param"]) == (code, param)
    assert (good["session"]["instructions"], good["session"]["model"]) == ("", "first")
    assert good["session"]["audio"]["output"]["voice"] == "anna"


def test_an_answer_in_a_voice_that_nobody_has_is_refused() -> None:
    """At once, and not as a response that fails."""
    scene = Scene(Naming(known_voices=("alloy",)))
    scene.type_text("Hi.")
    (told,) = scene.say("response.create", response={"audio": {"output": {"voice": "nobody"}}})

    assert told["error"]["param"] == "response.audio.output.voice"
    assert types(scene.say("response.create")) == ["response.created"]
