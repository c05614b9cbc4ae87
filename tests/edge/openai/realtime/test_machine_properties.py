"""What holds in every Realtime session, whatever its client and the workers say.

Most of it is checked by :class:`tests.edge.openai.realtime.watch.Watch` with every single event:
one active response, one ``response.done`` each, nothing of a response behind that, every ``added``
with its ``done``, ids that are given once, and each event as the official SDK types it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta
from schemas.stt import AudioConsumed, SpeechResumed, SpeechStarted
from schemas.tts import SpeechDone
from schemas.turn import TurnEnded, TurnStarted
from tests.edge.openai.realtime.scenes import HELLO, Scene

Step = tuple[str, int]

SEEDED: Final = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
"""The same sessions in every run: what fails once fails again."""

SESSIONS: list[dict[str, Any]] = [
    {},
    {"audio": {"input": {"transcription": {}}}},
    {"audio": {"input": {"turn_detection": None, "transcription": {}}}},
    {"output_modalities": ["text"], "audio": {"input": {"turn_detection": None}}},
    {"tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}]},
    {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "create_response": False}}}},
    {"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}},
    {"audio": {"input": {"format": {"type": "audio/pcmu"}, "transcription": {}}}},
    {
        "audio": {
            "input": {
                "turn_detection": {"type": "server_vad", "idle_timeout_ms": 1_000},
                "transcription": {},
            }
        }
    },
    {"type": "transcription", "audio": {"input": {"transcription": {}}}},
]


def _item(scene: Scene, number: int) -> str:
    return scene.watch.items[number % len(scene.watch.items)] if scene.watch.items else "item_no"


def _noise(scene: Scene, number: int) -> None:
    turn = number % 4
    events = [
        TurnStarted(text="", turn=turn, control=-1),
        TokenDelta(text="noise", turn=turn + 7, revision=number % 2, seq=9),
        GenerationDone(text="noise", turn=turn + 7),
        SpeechDone(samples=1, rate_hz=8_000, turn=turn + 7),
        TurnEnded(outcome="completed", turn=turn + 7),
        Failure(stage="llm", code="engine", message="x", turn=turn + 7),
        AudioConsumed(end_offset=0, finals=0),
        SpeechStarted(start_ms=0),
    ]
    # Of turns that do not run, or that another asked for.
    scene.do(scene.machine.told(events[number % len(events)]))


def _update(scene: Scene, number: int) -> None:
    changes: list[dict[str, Any]] = [
        {"instructions": f"Be {number}."},
        {"audio": {"input": {"turn_detection": None}}},
        {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
        {"output_modalities": ["text"]},
        {"modalities": ["text", "audio"], "voice": "verse"},
        {"audio": {"input": {"format": {"type": "audio/pcma"}}}},
        {"input_audio_format": "pcm16"},
        {"audio": {"output": {"speed": 9}}},
    ]
    scene.say("session.update", session=changes[number % len(changes)])


def _repeat(scene: Scene, number: int) -> None:
    said = scene.workers.said
    if said:
        scene.do(scene.machine.told(said[-1 - number % len(said)]))


def _create(scene: Scene, number: int) -> None:
    asked: list[dict[str, Any]] = [
        {},
        {"response": {"conversation": "none", "metadata": {"k": "v"}}},
        {"response": {"output_modalities": ["text"], "instructions": "Say hi."}},
        {"response": {"conversation": "none", "input": [_said("hello")]}},
        {"response": {"input": [{"type": "item_reference", "id": _item(scene, number)}]}},
        {"response": {"max_output_tokens": 0}},
    ]
    scene.say("response.create", **asked[number % len(asked)])


def _said(text: str) -> dict[str, Any]:
    part = {"type": "input_text", "text": text}
    return {"type": "message", "role": "user", "content": [part]}


def _create_item(scene: Scene, number: int) -> None:
    after = {} if number % 2 else {"previous_item_id": _item(scene, number)}
    items = [
        _said("hi"),
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "yo"}]},
        {"type": "message", "role": "user"},
        {**_said("again"), "id": "item_mine"},
    ]
    scene.say("conversation.item.create", item=items[number % len(items)], **after)


def _turn(scene: Scene, number: int) -> None:
    """The caller speaks: a whole turn, over an answer if there is one."""
    scene.append()
    scene.hear(scene.workers.speech(scene.now_ms - 50))
    scene.append()
    if number % 2:
        scene.hear(scene.workers.draft(f"Turn {number}.", scene.now_ms))
    scene.hear(scene.workers.final(f"Turn {number}.", scene.now_ms))


def _typed(scene: Scene, number: int) -> None:
    """The user types, and wants an answer of which the beginning comes."""
    scene.type_text("hello")
    scene.say("response.create")
    scene.deliver(number)


def _said_by_hand(scene: Scene, number: int) -> None:
    """The client commits, and wants an answer before the words are there."""
    scene.append()
    scene.say("input_audio_buffer.commit")
    scene.say("response.create")
    scene.deliver(number // 3)


def _heard_in_part(scene: Scene, number: int) -> None:
    """The user hears the beginning of an answer in speech."""
    scene.type_text("hello")
    scene.say("response.create")
    scene.deliver()
    done = list(scene.watch.done.values())
    spoken = (
        [item["id"] for item in done[-1]["output"] if item["type"] == "message"] if done else []
    )
    for item_id in spoken:
        scene.say(
            "conversation.item.truncate",
            item_id=item_id,
            content_index=0,
            audio_end_ms=100 * number,
        )


def _cut_short(scene: Scene, number: int) -> None:
    """The model may write no more."""
    scene.type_text("hello")
    scene.say("response.create")
    scene.workers.cut_short()
    scene.deliver(number * 3)


def _not_understood(scene: Scene, _: int) -> None:
    """The client commits, and the recogniser fails."""
    scene.append()
    scene.say("input_audio_buffer.commit")
    scene.hear(Failure(stage="stt", code="engine", message="deaf"))


STEPS: dict[str, Callable[[Scene, int], Any]] = {
    "append": lambda scene, number: scene.append(HELLO[: 2 * (number * 1_111) + number % 2]),
    "commit": lambda scene, _: scene.say("input_audio_buffer.commit"),
    "clear": lambda scene, _: scene.say("input_audio_buffer.clear"),
    "create item": _create_item,
    "delete": lambda scene, n: scene.say("conversation.item.delete", item_id=_item(scene, n)),
    "retrieve": lambda scene, n: scene.say("conversation.item.retrieve", item_id=_item(scene, n)),
    "truncate": lambda scene, n: scene.say(
        "conversation.item.truncate",
        item_id=_item(scene, n),
        content_index=0,
        audio_end_ms=n * 300,
    ),
    "create": _create,
    "cancel": lambda scene, _: scene.say("response.cancel"),
    "nonsense": lambda scene, n: scene.say(["", "response.nope", "session.update"][n % 3]),
    "update": _update,
    "speech": lambda scene, _: scene.hear(scene.workers.speech(scene.now_ms)),
    "partial": lambda scene, n: scene.hear(scene.workers.partial("so it is"[: n + 1])),
    "final": lambda scene, n: scene.hear(
        scene.workers.final(
            ["so it is", "", "well"][n % 3], scene.now_ms, ["pause", "forced", "length"][n // 3 % 3]
        )
    ),
    "turn": _turn,
    "another turn": _turn,
    "typed turn": _typed,
    "turn by hand": _said_by_hand,
    "heard in part": _heard_in_part,
    "cut short": _cut_short,
    "not understood": _not_understood,
    "draft": lambda scene, n: scene.hear(
        scene.workers.draft(["so it is", "well"][n % 2], scene.now_ms)
    ),
    "resumed": lambda scene, _: scene.hear(SpeechResumed(utterance=1, start_ms=scene.now_ms)),
    "deaf": lambda scene, _: scene.hear(Failure(stage="stt", code="engine", message="deaf")),
    "deliver": lambda scene, number: scene.deliver(number),
    "fail": lambda scene, _: scene.workers.fail(),
    "repeat": _repeat,
    "noise": _noise,
    "give up": lambda scene, _: scene.do(scene.machine.give_up_words()),
    "limit": lambda scene, _: scene.do(scene.machine.refuse_answer("rate_limit_exceeded", "slow")),
}

ANY_STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 8)), min_size=1, max_size=60
)


HEARD = [session for session in SESSIONS if "transcription" in str(session)]
SETTLED_STEPS = ANY_STEPS.filter(lambda steps: all(name != "update" for name, _ in steps))
"""Sessions that tell what was said, and go on telling it."""


def run(session: dict[str, Any], steps: list[Step]) -> Scene:
    """Play a session, then let everything that is under way come to its end."""
    scene = Scene(**session)
    for name, number in steps:
        STEPS[name](scene, number)
    scene.deliver()
    return scene


def assert_all_is_over(scene: Scene) -> None:
    """Nothing hangs: every response is done, and the words of every item are settled."""
    assert scene.watch.active is None
    assert not scene.machine.waits_for_words
    assert len([kind for kind in scene.kinds if kind == "response.created"]) == len(
        scene.watch.done
    )
    assert len(scene.asked) <= len(scene.watch.done)


@settings(
    deadline=None, derandomize=True, max_examples=200, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.sampled_from(SESSIONS), ANY_STEPS)
def test_every_session_keeps_the_rules(session: dict[str, Any], steps: list[Step]) -> None:
    """Whatever is said in whatever order: the protocol holds, and all that began ends."""
    assert_all_is_over(run(session, steps))


@settings(
    deadline=None, derandomize=True, max_examples=100, suppress_health_check=list(HealthCheck)
)
@given(st.sampled_from(HEARD), SETTLED_STEPS)
def test_the_words_of_every_item_of_the_caller_are_told(
    session: dict[str, Any], steps: list[Step]
) -> None:
    """No end of a turn is dropped: each item has its words, or the reason why it has none."""
    scene = run(session, steps)

    assert sorted(scene.watch.transcribed) == sorted(scene.watch.committed)
    asked = [event for event in scene.told if event["type"] == "input_audio_buffer.committed"]
    assert len(asked) == len(scene.watch.committed)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@settings(
    deadline=None,
    derandomize=True,
    max_examples=10_000,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.sampled_from(SESSIONS), ANY_STEPS)
def test_thousands_of_sessions_keep_the_rules(session: dict[str, Any], steps: list[Step]) -> None:
    """The same, for longer."""
    assert_all_is_over(run(session, steps))
