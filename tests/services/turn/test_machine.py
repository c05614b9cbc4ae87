"""The pure state machine of a conversation: what is answered, and when a turn is over."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.failure import Failure
from schemas.session import CancelAsked, SessionOpened, TurnTakingSet, UserText
from schemas.settings import SessionSettings
from schemas.stt import AudioConsumed
from schemas.tts import SpeakRequest
from schemas.turn import NothingHeard, TurnCancelled, TurnEnded, TurnStarted
from services.turn.limits import PLAYBACK_KNOWN_MS
from services.turn.persona import Persona
from tests.services.turn.scenes import (
    LIVE,
    MANUAL,
    WRITTEN,
    answered,
    chat,
    clause,
    fed,
    final,
    generated,
    names,
    of,
    played,
    spoken,
    uttered,
)


def test_an_utterance_is_answered() -> None:
    """Both jobs, then the start of the turn with the caller's words."""
    events = fed(SessionOpened()).step(final("hello"), 0)

    assert names(events) == ["GenerateRequest", "SpeakRequest", "TurnStarted"]
    assert {event.turn for event in events} == {1}
    assert chat(events) == [("user", "hello")]
    assert events[1] == SpeakRequest(turn=1, rate_hz=8_000, ahead_s=LIVE.ahead_s)
    assert events[2] == TurnStarted(turn=1, text="hello", speech_end_ms=1000, utterance=1)


def test_a_live_turn_is_complete_when_it_was_heard() -> None:
    """Written and spoken is not enough: until it was played it can be interrupted."""
    conversation = fed(final("hello"), *answered()[:-1])

    assert conversation.reply is not None
    assert conversation.due_ms is None
    assert conversation.step(played(1, 1000), 0) == (
        TurnEnded(turn=1, outcome="completed", reply="Hello there.", heard_ms=1000),
    )
    assert conversation.reply is None


def test_playback_may_end_before_the_last_word_of_the_stages_comes() -> None:
    """The order of messages on different subjects is not kept."""
    conversation = fed(final("hello"), played(1), generated(1))

    assert names(conversation.step(spoken(1), 0)) == ["TurnEnded"]


@pytest.mark.parametrize("order", [(generated, spoken), (spoken, generated)])
def test_the_turn_of_a_file_is_complete_when_it_is_made(order: tuple[object, object]) -> None:
    """In whichever order the two are heard of; nobody listens while it is made."""
    conversation = fed(final("hi"), AudioConsumed(end_offset=1, finals=1), persona=MANUAL)
    first, second = (make(1) for make in order)  # type: ignore[operator]

    assert conversation.step(first, 0) == ()
    assert conversation.step(second, 0) == (
        TurnEnded(turn=1, outcome="completed", reply="Hello there."),
    )


def test_a_session_in_writing_waits_for_no_audio() -> None:
    """Nothing is spoken when nobody listens."""
    conversation = fed(persona=WRITTEN)

    assert names(conversation.step(UserText(text="hi"), 0)) == ["GenerateRequest", "TurnStarted"]
    assert names(conversation.step(generated(1), 0)) == ["TurnEnded"]


def test_new_words_interrupt_a_written_reply() -> None:
    """Nothing of it has to be heard first."""
    conversation = fed(final("hello"), clause(1, 0, "Well,"), persona=WRITTEN)

    events = conversation.step(final("stop", 2), 0)

    assert names(events) == ["TurnCancelled", "TurnEnded", "GenerateRequest", "TurnStarted"]
    assert chat(events)[1] == ("assistant", "Well,")


def test_the_model_is_told_what_was_said_before() -> None:
    """The next turn's chat has the last reply."""
    conversation = fed(final("hello"), *answered())

    assert chat(conversation.step(final("and now?", 2), 0)) == [
        ("user", "hello"),
        ("assistant", "Hello there."),
        ("user", "and now?"),
    ]


def test_typed_words_interrupt_and_wait_for_what_was_heard() -> None:
    """The next turn begins once it is known where the reply stopped."""
    conversation = fed(final("hello"), clause(1, 0, "Well, well."), uttered(1, 0, "Well, well.", 0))

    assert conversation.step(UserText(text="stop"), 0) == (TurnCancelled(turn=1),)
    events = conversation.step(played(1, 600), 10)

    assert events[0] == TurnEnded(turn=1, outcome="interrupted", reply="Well,", heard_ms=600)
    assert chat(events)[1:] == [("assistant", "Well,"), ("user", "stop")]
    assert events[-1] == TurnStarted(turn=2, text="stop", typed=True, utterance=1, control=0)


def test_an_edge_that_does_not_say_what_was_heard_holds_nobody_up() -> None:
    """After a second what was written counts."""
    conversation = fed(final("hello"), clause(1, 0, "Well."), CancelAsked())

    assert conversation.due_ms == PLAYBACK_KNOWN_MS
    assert conversation.tick(PLAYBACK_KNOWN_MS) == (
        TurnEnded(turn=1, outcome="interrupted", reply="Well."),
    )


def test_a_reply_of_which_nothing_was_heard_leaves_the_question_open() -> None:
    """Who goes on speaking is answered as a whole."""
    conversation = fed(final("what is"), clause(1, 0, "It is."), uttered(1, 0, "It is.", 0))
    conversation.step(final("the time", 2), 0)

    assert chat(conversation.step(played(1, 0), 0)) == [("user", "what is the time")]


def test_cancelling_stops_the_reply_and_nothing_else() -> None:
    """Once; without a reply there is nothing to stop."""
    conversation = fed(final("hello"))

    assert conversation.step(CancelAsked(), 0) == (TurnCancelled(turn=1),)
    assert conversation.step(CancelAsked(), 0) == ()
    assert names(conversation.step(played(1, 0), 0)) == ["TurnEnded"]
    assert conversation.step(CancelAsked(), 0) == ()


@pytest.mark.parametrize("stage", ["llm", "tts", "bus"])
def test_a_failure_ends_its_turn(stage: str) -> None:
    """The other stage is stopped too, and the next turn is answered."""
    conversation = fed(final("hello"))
    failure = Failure(stage=stage, code="engine", message="x", turn=1)

    assert conversation.step(failure, 0) == (TurnCancelled(turn=1),)
    assert conversation.step(played(1, 0), 0) == (TurnEnded(turn=1, outcome="failed", heard_ms=0),)
    assert conversation.step(final("again", 2), 0)[-1].turn == 2


def test_a_failure_of_no_turn_ends_none() -> None:
    """An utterance that could not be recognised does not stop the running reply."""
    conversation = fed(final("hello"))

    assert conversation.step(Failure(stage="stt", code="engine", message="x"), 0) == ()
    assert conversation.reply is not None


def test_a_reply_on_which_nobody_works_is_given_up() -> None:
    """The time counts from the last sign of life; the caller hears that it took too long."""
    conversation = fed(final("hello"))
    conversation.step(clause(1, 0, "Well."), 500.0)
    due_ms = 500.0 + LIVE.stall_ms

    assert conversation.tick(due_ms - 1) == ()
    failure, cancelled = conversation.tick(due_ms)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.turn) == ("engine_timeout", 1)
    assert cancelled == TurnCancelled(turn=1)


@pytest.mark.parametrize(
    "late",
    [clause(1, 0, "late"), generated(1), spoken(1), played(1), uttered(1, 0, "late", 0)],
    ids=lambda event: type(event).__name__,
)
def test_what_comes_late_of_an_old_turn_is_ignored(late: Event) -> None:
    """Neither an answer nor a trace of it."""
    conversation = fed(final("hello"), *answered(), final("next", 2))
    before = repr(conversation.reply)

    assert conversation.step(late, 0) == ()
    assert repr(conversation.reply) == before


def test_a_clause_that_comes_twice_is_in_the_reply_once() -> None:
    """A message may be heard live and in the log."""
    conversation = fed(final("hello"), *[clause(1, 0, "Well.")] * 2, clause(1, 2, "a gap"))

    assert conversation.reply is not None
    assert conversation.reply.written() == "Well."


def test_sound_without_words_is_no_turn() -> None:
    """A cough is not answered."""
    assert fed().step(final(""), 0) == ()


def test_in_manual_mode_all_words_until_the_end_are_one_turn() -> None:
    """A file with pauses is one question."""
    conversation = fed(final("one"), final("", 2), final("two", 3), persona=MANUAL)

    events = conversation.step(AudioConsumed(end_offset=48_000, finals=2), 0)

    assert chat(events) == [("user", "one two")]
    assert events[-1] == TurnStarted(turn=1, text="one two", speech_end_ms=3000, utterance=3)
    assert isinstance(events[1], SpeakRequest)
    assert events[1].ahead_s == 0


def test_the_way_of_taking_turns_may_change() -> None:
    """Live speech and files follow each other in one session."""
    conversation = fed(TurnTakingSet(turn_taking="manual"))

    assert conversation.step(final("one"), 0) == ()
    assert conversation.step(AudioConsumed(end_offset=1, finals=1), 0)[-1].turn == 1
    for event in (*answered(), TurnTakingSet(turn_taking="pause")):
        conversation.step(event, 0)
    assert conversation.step(final("two", 2), 0)[-1].turn == 2


@pytest.mark.parametrize("persona", [LIVE, MANUAL])
def test_audio_without_words_is_said_to_be_empty(persona: Persona) -> None:
    """Who ended the audio is not left waiting for an answer."""
    conversation = fed(final(""), persona=persona)

    assert conversation.step(AudioConsumed(end_offset=1, finals=0), 0) == (
        NothingHeard(end_offset=1),
    )


def test_audio_that_was_answered_already_is_not_called_empty() -> None:
    """Its words were a turn before its end came."""
    assert fed(final("hello")).step(AudioConsumed(end_offset=1, finals=1), 0) == ()


def test_a_speaker_who_never_stops_is_answered_in_the_end() -> None:
    """Parts that were cut by length are one turn, until it is longer than a turn may be."""
    persona = of(SessionSettings(max_turn_s=3))
    conversation = fed(persona=persona)

    assert conversation.step(final("one", 1, "length"), 0) == ()
    assert conversation.step(final("two", 2, "length"), 0) == ()
    events = conversation.step(final("three", 4, "length"), 0)
    assert chat(events) == [("user", "one two three")]


def test_a_long_utterance_is_one_turn() -> None:
    """Its last part ends with a pause, as any other."""
    conversation = fed(final("one", 1, "length"))

    assert chat(conversation.step(final("two", 2), 0)) == [("user", "one two")]
