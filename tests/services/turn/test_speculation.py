"""Answers that are begun before the turn is over."""

from __future__ import annotations

from schemas.failure import Failure
from schemas.llm import GenerateRequest
from schemas.session import TurnTakingSet
from schemas.turn import TurnCancelled, TurnStarted
from tests.services.turn.scenes import (
    LIVE,
    MANUAL,
    answered,
    chat,
    clause,
    draft,
    fed,
    final,
    generated,
    names,
    played,
    resumed,
    spoken,
    uttered,
)


def test_a_draft_is_answered_before_the_turn_begins() -> None:
    """Both jobs, marked; nobody is told of a turn."""
    events = fed().step(draft("hello"), 0)

    assert names(events) == ["GenerateRequest", "SpeakRequest"]
    assert chat(events) == [("user", "hello")]
    assert isinstance(events[0], GenerateRequest)
    assert events[0].speculative
    assert {(event.turn, event.revision) for event in events} == {(1, 0)}


def test_the_same_words_release_what_was_made() -> None:
    """Nobody is asked again, and what was made meanwhile belongs to the turn."""
    conversation = fed(draft("hello"), clause(1, 0, "Hello there."), generated(1))

    assert conversation.step(final("hello"), 0) == (
        TurnStarted(turn=1, text="hello", speech_end_ms=1000, speculated=True, utterance=1),
    )
    assert conversation.reply is not None
    assert conversation.reply.written() == "Hello there."


def test_a_reply_that_was_complete_before_its_turn_began_ends_as_any_other() -> None:
    """A short answer may be made within the hold."""
    conversation = fed(draft("hello"), *answered()[:-1])

    assert names(conversation.step(final("hello"), 0)) == ["TurnStarted"]
    assert names(conversation.step(played(1), 0)) == ["TurnEnded"]


def test_a_caller_who_goes_on_costs_nothing_audible() -> None:
    """The draft is cancelled, and the next one is another revision of the same turn."""
    conversation = fed(draft("hello"))

    assert conversation.step(resumed(), 0) == (TurnCancelled(turn=1, revision=0),)
    events = conversation.step(draft("hello world"), 0)
    assert {(event.turn, event.revision) for event in events} == {(1, 1)}
    assert conversation.step(final("hello world"), 0)[0].revision == 1


def test_other_words_are_answered_anew() -> None:
    """What was made for the wrong words is never heard."""
    events = fed(draft("hello")).step(final("yellow"), 0)

    assert names(events) == ["TurnCancelled", "GenerateRequest", "SpeakRequest", "TurnStarted"]
    assert [event.revision for event in events] == [0, 1, 1, 1]
    assert chat(events) == [("user", "yellow")]


def test_nothing_of_a_wrong_draft_stays_in_the_history() -> None:
    """Neither the words that were not said nor the answer to them."""
    conversation = fed(draft("hello"), clause(1, 0, "Wrong."), resumed(), draft("hello world"))
    conversation.step(clause(1, 0, "Late.", revision=0), 0)
    conversation.step(final("hello world"), 0)
    for event in (
        clause(1, 0, "Right.", 1),
        generated(1, "Right.", 1),
        uttered(1, 0, "Right.", 0, 1),
        spoken(1, 1),
        played(1, 500),
    ):
        conversation.step(event, 0)

    assert chat(conversation.step(final("next", 2), 0)) == [
        ("user", "hello world"),
        ("assistant", "Right."),
        ("user", "next"),
    ]


def test_a_draft_without_a_final_with_words_is_thrown_away() -> None:
    """The final is what counts."""
    assert fed(draft("hello")).step(final(""), 0) == (TurnCancelled(turn=1),)


def test_a_failed_draft_is_tried_again_when_the_turn_is_over() -> None:
    """Nobody is told of the failure of something that nobody asked for."""
    conversation = fed(draft("hello"))
    failure = Failure(stage="llm", code="engine", message="x", turn=1, revision=0)

    assert conversation.step(failure, 0) == ()
    assert names(conversation.step(final("hello"), 0)) == [
        "TurnCancelled",
        "GenerateRequest",
        "SpeakRequest",
        "TurnStarted",
    ]


def test_speculation_stops_after_some_attempts() -> None:
    """A caller who pauses after every word costs a bounded amount of computation."""
    conversation = fed()
    asked = 0
    for number in range(6):
        asked += "GenerateRequest" in names(conversation.step(draft("word " * number + "x"), 0))
        conversation.step(resumed(), 0)

    assert asked == LIVE.speculations


def test_the_parts_of_a_long_utterance_are_drafted_together() -> None:
    """What was cut off by length and waits is part of the turn."""
    conversation = fed(final("one", 1, "length"))

    assert chat(conversation.step(draft("two", 2), 0)) == [("user", "one two")]
    assert names(conversation.step(final("two", 2), 0)) == ["TurnStarted"]


def test_files_are_not_drafted() -> None:
    """Their turn ends with the file, not with a pause."""
    assert fed(persona=MANUAL).step(draft("hello"), 0) == ()
    drafted = fed(draft("hello"))
    assert names(drafted.step(TurnTakingSet(turn_taking="manual"), 0)) == ["TurnCancelled"]


def test_a_draft_that_comes_while_a_reply_is_given_up_is_answered_afterwards() -> None:
    """What was heard of the old reply has to be known first."""
    conversation = fed(final("hello"), clause(1, 0, "Well, well."), uttered(1, 0, "Well, well.", 0))

    assert names(conversation.step(draft("stop it", 2), 0)) == ["TurnCancelled"]
    events = conversation.step(played(1, 500), 0)

    assert names(events) == ["TurnEnded", "GenerateRequest", "SpeakRequest"]
    assert chat(events)[1:] == [("assistant", "Well,"), ("user", "stop it")]
    assert names(conversation.step(final("stop it", 2), 0)) == ["TurnStarted"]


def test_a_worker_that_takes_over_uses_other_revisions() -> None:
    """What the worker before it had asked for is never taken for its own."""
    conversation = fed(first_revision=1000)

    assert conversation.step(draft("hello"), 0)[0].revision == 1000
    assert conversation.step(final("hallo"), 0)[-1].revision == 1001
