"""A Realtime session, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.edge.openai.realtime.scenes import (
    HEARD,
    MANUAL,
    Scene,
    chat,
    error_of,
    hear_a_turn,
    types,
)


def test_the_events_of_a_spoken_answer_have_their_order_and_places() -> None:
    """All of one response: indices, ids and the item before."""
    scene = Scene()
    hear_a_turn(scene)
    told = scene.deliver()

    (user, reply) = scene.watch.items
    added = [event for event in told if event["type"] == "conversation.item.added"]
    assert [(event["item"]["id"], event["previous_item_id"]) for event in added] == [(reply, user)]
    parts = [event for event in told if "content_index" in event]
    assert {(e["item_id"], e["output_index"], e["content_index"]) for e in parts} == {(reply, 0, 0)}
    done = told[-1]["response"]
    assert (done["status"], done["usage"]["total_tokens"]) == ("completed", 14)
    assert done["output"][0]["content"][0] == {
        "type": "output_audio",
        "transcript": "Hello there, you.",
    }


def test_what_is_asked_is_the_conversation() -> None:
    """Typed, spoken and answered items in their order; the answer's own words among them."""
    scene = Scene(instructions="Be brief.")
    scene.type_text("Hi.")
    hear_a_turn(scene, "Who are you?")
    scene.deliver()
    hear_a_turn(scene, "And?")

    assert chat(scene) == [
        ("system", "Be brief."),
        ("user", "Hi. Who are you?"),
        ("assistant", "Hello there, you."),
        ("user", "And?"),
    ]


def test_speech_cancels_the_answer_before_it_is_committed() -> None:
    """The response is done, as interrupted, when the caller has only begun."""
    scene = Scene()
    hear_a_turn(scene)
    scene.deliver(4)
    scene.append()
    told = scene.hear(scene.workers.speech(scene.now_ms))

    assert types(told)[0] == "input_audio_buffer.speech_started"
    assert types(told)[-1] == "response.done"
    assert told[-1]["response"]["status_details"] == {
        "type": "cancelled",
        "reason": "turn_detected",
    }
    assert scene.cancelled == 1


@pytest.mark.parametrize(
    "session",
    [
        {
            "audio": {
                "input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}
            }
        },
        {"audio": {"input": {"turn_detection": None}}},
    ],
)
def test_speech_cancels_nothing_where_the_client_does_not_want_it(session: dict[str, Any]) -> None:
    """interrupt_response: false, and turns that the client commits."""
    scene = Scene(**session)
    scene.type_text("Hi.")
    scene.say("response.create")
    scene.append()
    scene.hear(scene.workers.speech(scene.now_ms))

    assert scene.watch.active is not None


def test_a_turn_that_ends_while_an_answer_is_made_is_answered_after_it() -> None:
    """Nothing that the caller says is dropped, and no second response is active meanwhile."""
    detection = {"type": "server_vad", "interrupt_response": False}
    scene = Scene(audio={"input": {"turn_detection": detection}})
    hear_a_turn(scene)
    hear_a_turn(scene, "And tomorrow?")
    assert len(scene.asked) == 1

    scene.deliver()

    assert len(scene.asked) == 2
    # The answer that was being made then stands behind what it answers.
    assert chat(scene) == [
        ("user", "What time is it?"),
        ("assistant", "Hello there, you."),
        ("user", "And tomorrow?"),
    ]


def test_words_of_no_content_are_not_answered() -> None:
    """A noise becomes an item with no words, and no response."""
    scene = Scene(**HEARD)
    told = hear_a_turn(scene, "")

    assert types(told)[-1] == "conversation.item.input_audio_transcription.completed"
    assert scene.watch.active is None


def test_a_committed_turn_waits_for_its_words() -> None:
    """The response is created at once, and asked when the words are there."""
    scene = Scene(**MANUAL)
    scene.append()
    assert types(scene.say("input_audio_buffer.commit")) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert types(scene.say("response.create")) == ["response.created"]
    assert scene.asked == []

    scene.hear(scene.workers.final("Hello.", 150))
    assert scene.asked == []
    scene.deliver(1)

    assert chat(scene) == [("user", "Hello.")]


def test_what_comes_twice_is_heard_once() -> None:
    """A final is told again after a gap, and one sign that all was heard may be lost."""
    scene = Scene(**MANUAL)
    scene.append()
    final = scene.workers.final("Hello.", 100)
    scene.hear(final)
    scene.hear(final)
    scene.say("input_audio_buffer.commit")
    scene.append()
    scene.say("input_audio_buffer.commit")
    scene.workers.waiting.popleft()
    scene.hear(scene.workers.final("Bye.", 390))
    scene.deliver()
    scene.say("response.create")

    assert chat(scene) == [("user", "Hello. Bye.")]


def test_what_was_cleared_is_not_said() -> None:
    """Its words come from the recogniser all the same, and go nowhere."""
    scene = Scene(**MANUAL)
    scene.append()
    assert types(scene.say("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    scene.append()
    scene.say("input_audio_buffer.commit")
    scene.hear(scene.workers.final("Never mind.", 150))
    scene.hear(scene.workers.final("Yes.", 390))
    scene.deliver()
    scene.say("response.create")

    assert chat(scene) == [("user", "Yes.")]


def test_an_answer_to_words_that_never_come_fails() -> None:
    """The client hears of it, and may try again."""
    scene = Scene(audio={"input": {"turn_detection": None, "transcription": {}}})
    scene.append()
    scene.say("input_audio_buffer.commit")
    scene.say("response.create")

    told = scene.do(scene.machine.give_up_words())

    assert types(told) == [
        "conversation.item.input_audio_transcription.failed",
        "response.done",
    ]
    assert told[-1]["response"]["status"] == "failed"


def test_a_session_that_only_hears_answers_nothing() -> None:
    """Words come piece by piece as they become certain, and no worker is asked."""
    scene = Scene(type="transcription", audio={"input": {"transcription": {}}})
    scene.append()
    scene.hear(scene.workers.speech(50))
    scene.hear(scene.workers.partial("What time is it now"))
    scene.hear(scene.workers.final("What time is it?", scene.now_ms))

    deltas = [e["delta"] for e in scene.told if e["type"].endswith("transcription.delta")]
    assert deltas == ["What time", " is it?"]
    assert scene.told[0]["session"]["object"] == "realtime.transcription_session"
    assert error_of(scene.say("response.create"))[0] == "unsupported_event"


@pytest.mark.parametrize(("kind", "rate_hz"), [("audio/pcmu", 8_000), ("audio/pcma", 8_000)])
def test_telephone_formats_go_both_ways(kind: str, rate_hz: int) -> None:
    """A byte a sample, at 8 kHz: in and out."""
    wanted = {"format": {"type": kind}}
    scene = Scene(audio={"input": wanted, "output": wanted})
    scene.append(b"\xd5" * rate_hz)
    hear_a_turn(scene)
    scene.deliver()

    assert scene.asked[0].speak is not None
    assert scene.asked[0].speak.rate_hz == rate_hz
    assert len(scene.audio) > 2 * 16_000 * 0.9
