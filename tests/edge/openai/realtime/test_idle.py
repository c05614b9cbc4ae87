"""A caller who says nothing behind an answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.edge.openai.realtime.scenes import HELLO, Scene, chat, hear_a_turn, types

HELLO_MS = 200
ANSWER_MS = 1_500
"""How long the answer of the scene's workers plays."""

IDLE: dict[str, Any] = {
    "audio": {
        "input": {
            "transcription": {},
            "turn_detection": {"type": "server_vad", "idle_timeout_ms": 2_000},
        }
    }
}


def silence(scene: Scene, pieces: int) -> list[dict[str, Any]]:
    """Send so many pieces of audio; return what is told behind them."""
    before = len(scene.told)
    for _ in range(pieces):
        scene.append(HELLO)
    return scene.told[before:]


def test_who_is_silent_for_too_long_is_spoken_to_again() -> None:
    """Counted from where the answer's audio ends; the silence is an item of its own."""
    scene = Scene(**IDLE)
    hear_a_turn(scene)
    scene.deliver()
    quiet = (2_000 + ANSWER_MS) // HELLO_MS
    begun_ms = scene.now_ms + ANSWER_MS
    assert silence(scene, quiet) == []
    told = silence(scene, 1)

    first = told[0]
    assert types(told) == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    assert abs(first["audio_start_ms"] - begun_ms) <= 10
    assert first["audio_end_ms"] - first["audio_start_ms"] >= 2_000
    assert first["item_id"] == told[1]["item_id"]
    assert chat(scene)[-2][0] == "assistant"
    scene.deliver()
    assert len(silence(scene, quiet + 1)) == len(told)


@pytest.mark.parametrize(
    "detection",
    [
        {"type": "server_vad"},
        {"type": "semantic_vad"},
        {"type": "server_vad", "idle_timeout_ms": 2_000, "create_response": False},
        None,
    ],
)
def test_nobody_is_spoken_to_again_who_did_not_ask_for_it(detection: Any) -> None:
    """No idle_timeout_ms, or nothing is answered by itself."""
    scene = Scene(audio={"input": {"turn_detection": detection}})
    scene.type_text("Hi.")
    scene.say("response.create")
    scene.deliver()

    assert silence(scene, 60) == []


def test_who_speaks_is_not_interrupted_by_a_prompt() -> None:
    """What is said is answered as ever; a noise only begins the silence anew."""
    scene = Scene(**IDLE)
    hear_a_turn(scene)
    scene.deliver()
    scene.hear(scene.workers.speech(scene.now_ms))
    assert silence(scene, 40) == []
    scene.hear(scene.workers.final("", scene.now_ms))
    assert silence(scene, 9) == []

    assert "input_audio_buffer.timeout_triggered" in types(silence(scene, 2))
    scene.deliver()
    assert "input_audio_buffer.timeout_triggered" not in types(hear_a_turn(scene))


def test_no_turn_is_lost_to_a_prompt() -> None:
    """Speech that the recogniser has not told of yet: its words come all the same."""
    scene = Scene(**IDLE)
    hear_a_turn(scene)
    scene.deliver()
    silence(scene, 18)
    scene.deliver(2)
    scene.hear(scene.workers.final("I am here.", scene.now_ms))
    scene.deliver()

    assert chat(scene)[-1] == ("user", "I am here.")


@pytest.mark.parametrize("wrong_ms", [0, 999, 600_001])
def test_a_timeout_that_would_never_leave_the_caller_alone_is_refused(wrong_ms: int) -> None:
    """Each prompt is an answer, which is paid for."""
    scene = Scene()
    detection = {"type": "server_vad", "idle_timeout_ms": wrong_ms}
    (told,) = scene.say("session.update", session={"turn_detection": detection})

    assert told["error"]["param"].endswith("idle_timeout_ms")


def test_nobody_is_prompted_while_an_answer_is_made() -> None:
    """A noise meanwhile begins no silence: nobody expects the caller to speak."""
    quiet = {**IDLE["audio"]["input"]["turn_detection"], "interrupt_response": False}
    scene = Scene(audio={"input": {"transcription": {}, "turn_detection": quiet}})
    hear_a_turn(scene)
    assert scene.machine.is_answering
    scene.hear(scene.workers.speech(scene.now_ms))
    scene.hear(scene.workers.final("", scene.now_ms))

    assert "input_audio_buffer.timeout_triggered" not in types(silence(scene, 40))


def test_an_answer_aside_is_no_answer_to_the_caller() -> None:
    """The silence is counted from what the caller hears: the answer before goes on playing."""
    scene = Scene(**IDLE)
    hear_a_turn(scene)
    scene.deliver()
    scene.say("response.create", response={"conversation": "none", "output_modalities": ["text"]})
    scene.deliver()
    quiet = (2_000 + ANSWER_MS) // HELLO_MS

    assert "input_audio_buffer.timeout_triggered" not in types(silence(scene, quiet))
    assert "input_audio_buffer.timeout_triggered" in types(silence(scene, 1))
