"""The responses of a Realtime session: what becomes of each."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from schemas.failure import Failure
from schemas.llm import GenerationDone
from schemas.stt import SpeechResumed
from schemas.turn import TurnCancelled, TurnEnded
from tests.edge.openai.realtime.scenes import (
    MANUAL,
    TEXT,
    Scene,
    chat,
    error_of,
    hear_a_turn,
    types,
)


def test_an_answer_aside_uses_its_own_input_and_leaves_no_item() -> None:
    """conversation: none; items of the conversation can be named in the input."""
    scene = Scene(**TEXT)
    scene.type_text("The word is owl.")
    scene.type_text("Something else.")
    (first, _) = scene.watch.items
    question = {"type": "input_text", "text": "Which word?"}
    given = [
        {"type": "item_reference", "id": first},
        {"type": "message", "role": "user", "content": [question]},
    ]
    wanted = {"conversation": "none", "input": given, "metadata": {"topic": "owl"}}
    scene.say("response.create", response=wanted)
    done = scene.deliver()[-1]["response"]

    assert chat(scene) == [("user", "The word is owl. Which word?")]
    assert (done["metadata"], done["conversation_id"]) == ({"topic": "owl"}, None)
    assert len(scene.watch.items) == 2


def test_a_response_has_the_settings_of_its_beginning() -> None:
    """What the session becomes meanwhile is the next one's."""
    scene = Scene(instructions="Be brief.", **MANUAL)
    scene.append()
    scene.say("input_audio_buffer.commit")
    scene.say("response.create")
    scene.say("session.update", session={"instructions": "Be long.", **TEXT})
    scene.hear(scene.workers.final("Hello.", 150))
    scene.deliver()

    assert chat(scene)[0] == ("system", "Be brief.")
    assert scene.asked[0].speak is not None
    assert next(iter(scene.watch.done.values()))["output_modalities"] == ["audio"]


def test_functions_are_called_and_their_results_are_known() -> None:
    """Two calls of one response, and both results, as the chat API has them."""
    tools = [{"type": "function", "name": name} for name in ("look", "listen")]
    scene = Scene(tools=tools, **TEXT)
    scene.type_text("What is there?")
    scene.say("response.create")
    scene.deliver()
    calls = [item for item in scene.told[-1]["response"]["output"] if "call_id" in item]
    for call in calls:
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "owl"}
        scene.say("conversation.item.create", item=output)
    scene.say("response.create")

    assert [(c["name"], c["arguments"]) for c in calls] == [
        ("look", '{"a":1}'),
        ("listen", '{"a":1}'),
    ]
    _, assistant, *results = scene.asked[-1].generate.messages
    assert [call.name for call in assistant.tool_calls] == ["look", "listen"]
    assert [(r.role, r.content) for r in results] == [("tool", "owl")] * 2
    assert [r.tool_call_id for r in results] == [call.id for call in assistant.tool_calls]


@pytest.mark.parametrize(
    ("audio_end_ms", "kept"), [(0, ""), (700, "Hello"), (1_100, "Hello there,")]
)
def test_a_truncated_answer_keeps_the_words_that_were_heard(audio_end_ms: int, kept: str) -> None:
    """A word is heard when its audio has ended; the model is asked no others."""
    scene = Scene()
    hear_a_turn(scene)
    scene.deliver()
    item = scene.watch.items[-1]
    told = scene.say(
        "conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=audio_end_ms
    )
    assert types(told) == ["conversation.item.truncated"]

    (retrieved,) = scene.say("conversation.item.retrieve", item_id=item)

    assert retrieved["item"]["content"][0]["transcript"] == kept
    scene.type_text("Go on.")
    scene.say("response.create")
    assert [text for role, text in chat(scene) if role == "assistant"] == ([kept] if kept else [])


def test_an_interrupted_answer_keeps_the_words_whose_audio_was_sent() -> None:
    """What was written and never spoken was not said."""
    scene = Scene()
    hear_a_turn(scene)
    scene.deliver(5)  # its beginning, all of its words, and half a second of its audio
    scene.append()
    scene.hear(scene.workers.speech(scene.now_ms))

    (retrieved,) = scene.say("conversation.item.retrieve", item_id=scene.watch.items[-1])

    assert retrieved["item"]["status"] == "incomplete"
    assert retrieved["item"]["content"][0]["transcript"] == "Hello"


def test_a_late_cancel_has_an_error_of_its_own() -> None:
    """Clients take this code for "it was over already", and go on."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")
    scene.deliver()

    told = scene.say("response.cancel", event_id="mine")

    assert error_of(told) == ("response_cancel_not_active", "mine")


def test_what_is_late_of_a_cancelled_answer_is_not_told() -> None:
    """It is under way when the client cancels."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")
    under_way = list(scene.workers.waiting)
    scene.say("response.cancel")

    assert [scene.do(scene.machine.told(event)) for event in under_way] == [[]] * len(under_way)


def test_an_answer_that_fails_says_why() -> None:
    """A stage's code and sentence; the socket stays."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")
    scene.deliver(1)
    (done,) = scene.hear(Failure(stage="llm", code="engine_timeout", message="too late", turn=1))

    assert done["response"]["status_details"]["error"]["code"] == "engine_timeout"
    assert scene.say("response.create")[0]["type"] == "response.created"


def test_a_reply_that_was_too_long_is_incomplete() -> None:
    """max_output_tokens goes to the model; that it was reached is said."""
    scene = Scene(max_output_tokens=7, **TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")
    assert scene.asked[0].generate.max_tokens == 7
    scene.deliver(2)
    (*_, done) = scene.hear(GenerationDone(text="Hello", finish_reason="length", turn=1))

    assert done["response"]["status_details"]["reason"] == "max_output_tokens"


def test_an_answer_that_the_workers_give_up_ends() -> None:
    """The turn worker drains, say: the client is not left waiting."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")
    scene.deliver(2)
    scene.workers.waiting.clear()
    scene.hear(TurnCancelled(turn=1))
    (*_, done) = scene.hear(TurnEnded(outcome="interrupted", turn=1))

    assert done["response"]["status"] == "cancelled"


def test_two_responses_at_once_are_refused() -> None:
    """The first goes on."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")

    told = scene.say("response.create", event_id="second")

    assert error_of(told) == ("conversation_already_has_active_response", "second")
    assert scene.watch.active is not None


def pause(scene: Scene, text: str) -> None:
    """The caller says something, and may have finished."""
    scene.append()
    scene.hear(scene.workers.speech(scene.now_ms - 100))
    scene.append()
    assert scene.hear(scene.workers.draft(text, scene.now_ms)) == []


def test_an_answer_is_begun_before_the_turn_is_over() -> None:
    """What is asked for early is what is asked for then: the client is told of it then only."""
    scene = Scene(instructions="Be brief.")
    pause(scene, "What time is it?")
    scene.hear(scene.workers.final("What time is it?", scene.now_ms))

    (early,), (asked,) = scene.drafts, scene.asked
    assert early.generate.speculative
    assert replace(early.generate, speculative=False) == asked.generate
    assert (early.speak, scene.cancelled) == (asked.speak, 0)


def test_a_caller_who_goes_on_is_not_answered_early() -> None:
    """What was begun is given up, and begun anew with all that was said."""
    scene = Scene()
    pause(scene, "What time")
    scene.hear(SpeechResumed(utterance=1, start_ms=scene.now_ms))
    assert scene.cancelled == 1

    scene.append()
    scene.hear(scene.workers.draft("What time is it?", scene.now_ms))
    scene.hear(scene.workers.final("What time is it?", scene.now_ms))

    assert [order.generate.messages[-1].content for order in scene.drafts] == [
        "What time",
        "What time is it?",
    ]
    assert chat(scene) == [("user", "What time is it?")]


@pytest.mark.parametrize("kind", ["input_audio_buffer.commit", "input_audio_buffer.clear"])
def test_what_was_begun_early_is_given_up_when_the_client_ends_the_turn(kind: str) -> None:
    """The client asks for the answer, or for none."""
    scene = Scene()
    pause(scene, "What time is it?")
    scene.say(kind)

    assert scene.cancelled == 1
    assert scene.watch.active is None


def test_nothing_is_begun_early_where_the_client_asks_for_answers() -> None:
    """create_response: false."""
    detection = {"type": "server_vad", "create_response": False}
    scene = Scene(audio={"input": {"turn_detection": detection}})
    pause(scene, "What time is it?")

    assert scene.drafts == []


def test_what_cannot_be_asked_is_told_once_and_in_earnest() -> None:
    """A request that is too large: nothing is begun early, and the turn's end says why."""
    scene = Scene(tools=[{"type": "function", "name": "f", "description": "x" * 500_000}])
    for _ in range(3):
        scene.type_text("\u20ac" * 60_000)
    pause(scene, "What time is it?")
    told = scene.hear(scene.workers.final("What time is it?", scene.now_ms))

    assert scene.drafts == scene.asked == []
    assert told[-1]["error"]["code"] == "request_too_large"
