"""Responses that are no part of the conversation, beside those that are."""

from __future__ import annotations

from edge.openai.realtime.answering import MOST_WAITING
from tests.edge.openai.realtime.scenes import TEXT, Scene, error_of, hear_a_turn, types


def aside(scene: Scene, number: int) -> list[str]:
    """Ask for an answer that is no part of the conversation; return what is told at once."""
    given = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hm?"}]}
    wanted = {"conversation": "none", "input": [given], "metadata": {"n": str(number)}}
    return types(scene.say("response.create", response=wanted))


def test_answers_aside_wait_for_the_active_one() -> None:
    """Clients may ask for them at any time; one is made after the other."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")
    assert aside(scene, 1) == aside(scene, 2) == []
    scene.deliver()

    done = list(scene.watch.done.values())
    assert [response["metadata"] for response in done] == [None, {"n": "1"}, {"n": "2"}]
    assert [response["status"] for response in done] == ["completed"] * 3


def test_a_caller_is_answered_before_what_is_aside() -> None:
    """Who speaks waits for nobody's notes; cancelling ends the active one only."""
    scene = Scene(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    aside(scene, 1)
    aside(scene, 2)
    hear_a_turn(scene)
    told = scene.say("response.cancel")
    scene.deliver()

    assert types(told)[-2:] == ["response.done", "response.created"]
    names = [response["metadata"] for response in scene.watch.done.values()]
    assert names == [{"n": "1"}, None, {"n": "2"}]


def test_not_everything_waits() -> None:
    """Too many are refused, and so is one that can never be asked."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create")
    for number in range(MOST_WAITING):
        assert aside(scene, number) == []
    assert aside(scene, 9) == ["error"]
    scene.deliver()

    assert len(scene.watch.done) == 1 + MOST_WAITING
    aside(scene, 9)
    empty = {"conversation": "none", "input": [], "instructions": ""}
    assert error_of(scene.say("response.create", response=empty))[0] == "conversation_empty"


def test_what_cannot_be_answered_any_more_does_not_hold_up_the_rest() -> None:
    """What was to be answered is deleted meanwhile."""
    scene = Scene(**TEXT)
    scene.type_text("Hi.")
    scene.say("response.create", response={"conversation": "none"})
    scene.say("response.create", response={"conversation": "none"})
    aside(scene, 3)
    scene.say("conversation.item.delete", item_id=scene.watch.items[0])
    scene.deliver()

    (refused,) = [event for event in scene.told if event["type"] == "error"]
    assert refused["error"]["code"] == "conversation_empty"
    assert list(scene.watch.done.values())[-1]["metadata"] == {"n": "3"}
