"""Ten invariants of a Realtime session, seeded sessions that reach every corner, broken machines.

==  ==========================================================  ==================================
 n  what holds                                                  where it is asserted
==  ==========================================================  ==================================
 1  at most one response is active                              ``Watch._begin``
 2  each response has exactly one ``response.done``             ``Watch._finish``, ``play``
 3  nothing of a response follows its end                       ``Watch.see``
 4  every ``added`` has its ``done``, cancelled or not          ``Watch._finish``, ``_toggle``
 5  speech ends an answer before what is said is committed      ``Watch._note_caller``
 6  a response is as the session was when it was created        ``expect_snapshots``, ``Scene``
 7  append, commit and clear lose no byte of audio              ``expect_every_sample``, ``_byte``
 8  no end of a turn is dropped                                 ``expect_every_turn``
 9  what has ended may be ended again, and nothing more comes   ``expect_quiet``
10  one answer is in the workers' hands, one waits at most      ``play``
==  ==========================================================  ==================================

Each has a machine that breaks it, in the module ``broken`` here, and no other test is needed to see
that. Compaction, of which others have an invariant, is the turn worker's; what is single here are
the answers that are asked.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, Final

import pytest

from edge.openai.realtime import client
from edge.openai.realtime.answering import Orders
from edge.openai.realtime.machine import Realtime
from edge.openai.realtime.session import Session
from schemas.audio import AudioChunk
from tests.edge.openai.realtime.broken import BROKEN, Breaking
from tests.edge.openai.realtime.scenes import HEARD, Scene, hear_a_turn
from tests.edge.openai.realtime.test_machine_properties import SESSIONS, STEPS

SEEDS: Final = 400
PLAIN: Final[dict[str, Any]] = {
    "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}
}
"""A session whose audio is the bus's own: what goes in has to come out, byte for byte."""

MEANWHILE: Final = ("typed turn", "create", "cancel", "deliver", "fail", "limit", "cut short")
COMPLETED: Final = "conversation.item.input_audio_transcription.completed"

CORNERS: Final = {
    "answered in speech": "response.output_audio.delta",
    "answered in writing": "response.output_text.delta",
    "a function is called": "response.function_call_arguments.done",
    "interrupted": "cancelled:turn_detected",
    "cancelled": "cancelled:client_cancelled",
    "completed": "completed:",
    "incomplete": "incomplete:max_output_tokens",
    "failed": "failed:engine",
    "over a limit": "failed:rate_limit_exceeded",
    "cut to what was heard": "conversation.item.truncated",
    "deleted": "conversation.item.deleted",
    "words known": COMPLETED,
    "words missing": "conversation.item.input_audio_transcription.failed",
    "cleared": "input_audio_buffer.cleared",
    "settings changed": "session.updated",
    "asked twice": "conversation_already_has_active_response",
    "cancelled too late": "response_cancel_not_active",
    "too little to commit": "input_audio_buffer_commit_empty",
}
"""What some of the sessions have to get to, and how it shows."""


def play(seed: int) -> Scene:
    """Play a session that the seed chooses; a broken invariant is an AssertionError."""
    chance = Random(seed)
    scene = Scene(**SESSIONS[seed % len(SESSIONS)])
    for _ in range(chance.randrange(1, 60)):
        STEPS[chance.choice(sorted(STEPS))](scene, chance.randrange(9))
        assert len(scene.workers.queued) <= 1, "several answers were asked for at once"
    scene.deliver()
    created = scene.kinds.count("response.created")
    assert created == scene.kinds.count("response.done") == len(scene.watch.done)
    expect_quiet(scene)
    expect_snapshots(scene)
    expect_every_turn(chance)
    expect_every_byte(chance)
    reached = len(scene.told)
    expect_every_sample(scene)
    del scene.told[reached:]  # every session is cleared by that
    return scene


def expect_quiet(scene: Scene) -> None:
    """All that may end a session's work, twice over: the second time there is nothing to end."""
    for _ in range(2):
        scene.do(scene.machine.give_up_words())
        scene.do(scene.machine.refuse_answer("rate_limit_exceeded", "slow"))
        scene.deliver()
    assert not scene.do(scene.machine.give_up_words()), "words are still due"
    assert not scene.do(scene.machine.refuse_answer("rate_limit_exceeded", "slow"))
    assert not scene.machine.waits_for_words, "words are still due"


def expect_every_sample(scene: Scene) -> None:
    """What came out is as long as what went in, whatever its formats were and whenever it ended."""
    scene.append()
    scene.say("input_audio_buffer.clear")
    heard = len(scene.audio) // 2
    # Each time the filter is emptied half a sample may be left over, and half a one rounded.
    rest = scene.flushes + 1
    assert abs(heard - scene.appended) <= rest, f"audio was lost: {heard} of {scene.appended}"


def expect_snapshots(scene: Scene) -> None:
    """What a response is told to be when it is created, it is when it is done."""
    fixed = ("output_modalities", "max_output_tokens", "audio", "metadata", "conversation_id")
    begun = [event["response"] for event in scene.told if event["type"] == "response.created"]
    for response in begun:
        done = scene.watch.done[response["id"]]
        assert all(response[name] == done[name] for name in fixed), "its settings changed"


def expect_every_turn(chance: Random) -> None:
    """Whatever is being answered, each pause of the caller is a turn, with its words."""
    scene = Scene(**HEARD)
    said = [f"Turn {number}." for number in range(chance.randrange(1, 9))]
    for text in said:
        for name in chance.choices(MEANWHILE, k=2):
            STEPS[name](scene, chance.randrange(9))
        hear_a_turn(scene, text)
    scene.deliver()
    told = [event["transcript"] for event in scene.told if event["type"] == COMPLETED]
    assert told == said, "the end of a turn was dropped"


def expect_every_byte(chance: Random) -> None:
    """Audio that needs no other rate comes out as it went in, however it is cut."""
    machine = Realtime(Session().changed(PLAIN), "sess_1", 99, lambda word: f"{word}_{chance}")
    appended, heard = bytearray(), bytearray()

    def take(orders: Orders) -> None:
        for order in orders:
            if isinstance(order, AudioChunk):
                assert order.offset * 2 == len(heard)
                heard.extend(order.pcm)

    for _ in range(10):
        pieces = [chance.randbytes(chance.randrange(9_000)) for _ in range(3)]
        pieces.append(bytes(sum(map(len, pieces)) % 2))  # the end of a sample
        for piece in pieces:
            appended += piece
            take(machine.hear(piece))
        take(machine.take(chance.choice((client.Commit(), client.Clear()))))
    # Not in the assertion: pytest would look for what differs, for minutes.
    is_whole = heard == appended
    assert is_whole, "audio was lost"


def corners(scene: Scene) -> set[str]:
    """What a session got to."""
    errors = {event["error"]["code"] for event in scene.told if event["type"] == "error"}
    ends: set[str] = set()
    for response in scene.watch.done.values():
        why = response["status_details"] or {}
        reason = why.get("reason") or why.get("error", {}).get("code") or ""
        ends.add(f"{response['status']}:{reason}")
    return {*scene.kinds, *errors, *ends}


def play_all(seeds: range) -> Counter[str]:
    """Play sessions; count how many of them got to what."""
    reached: Counter[str] = Counter()
    for seed in seeds:
        reached.update(corners(play(seed)))
    return reached


def test_seeded_sessions_keep_every_invariant_and_reach_every_corner() -> None:
    """Each corner by several of them, or the invariants would be about nothing."""
    reached = play_all(range(SEEDS))
    missed = {name: reached[shown] for name, shown in CORNERS.items() if reached[shown] < 2}
    assert missed == {}


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_thousands_of_seeded_sessions_keep_every_invariant() -> None:
    """The same, for longer."""
    assert len(play_all(range(SEEDS, SEEDS + 10_000))) > len(CORNERS)


@pytest.mark.parametrize(
    ("break_it", "found"), BROKEN, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_broken_machine_is_found_out(
    monkeypatch: pytest.MonkeyPatch, break_it: Breaking, found: str
) -> None:
    """By some of the same sessions that the whole one gets through, and by the rule it breaks."""
    break_it(monkeypatch)

    with pytest.raises(AssertionError, match=found):
        play_all(range(SEEDS))
