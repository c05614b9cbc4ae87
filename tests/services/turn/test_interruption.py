"""The caller speaks while a reply is heard: it pauses, and goes on or is given up."""

from __future__ import annotations

import pytest

from schemas.settings import Interruption, SessionSettings
from schemas.turn import ReplyPaused, ReplyResumed, TurnCancelled, TurnEnded
from services.turn.machine import Conversation
from services.turn.persona import Persona
from tests.services.turn.scenes import (
    LIVE,
    chat,
    clause,
    draft,
    fed,
    final,
    generated,
    names,
    of,
    partial,
    pause,
    played,
    resumed,
    speech,
    spoken,
    uttered,
)

PAUSED = (ReplyPaused(turn=1),)
RESUMED = (ReplyResumed(turn=1),)
CANCELLED = (TurnCancelled(turn=1),)


def replying(persona: Persona = LIVE) -> Conversation:
    """A conversation in which a reply of four words, two seconds long, is heard."""
    text = "One two, three four."
    return fed(
        final("hello"),
        clause(1, 0, text),
        generated(1, text),
        uttered(1, 0, text, 0),
        spoken(1),
        persona=persona,
    )


def wanting(**interruption: object) -> Persona:
    """A session that wants to be interrupted so."""
    return of(SessionSettings(interruption=Interruption(**interruption)))  # type: ignore[arg-type]


def test_speech_pauses_the_reply_at_once() -> None:
    """Before anybody knows what is said."""
    assert replying().step(speech(2), 0) == PAUSED


def test_words_end_the_reply_while_they_are_spoken() -> None:
    """The first partial with words is enough, and the history ends with the last word heard."""
    conversation = replying()
    conversation.step(speech(2), 0)

    assert conversation.step(partial("No, wait", 2), 700) == CANCELLED
    assert conversation.step(played(1, 1100), 710) == (
        TurnEnded(turn=1, outcome="interrupted", reply="One two,", heard_ms=1100),
    )
    assert chat(conversation.step(final("No, wait a moment.", 2), 2000)) == [
        ("user", "hello"),
        ("assistant", "One two,"),
        ("user", "No, wait a moment."),
    ]


@pytest.mark.parametrize("text", ["Mm-hmm.", "Yeah.", "Okay, yeah.", "Uh-huh", "...", ""])
def test_a_backchannel_lets_the_reply_go_on(text: str) -> None:
    """The draft tells soon after the caller has fallen silent, and the final changes nothing."""
    conversation = replying()
    conversation.step(speech(2), 0)

    assert conversation.step(partial(text, 2), 300) == ()
    assert conversation.step(pause(2), 600) == ()
    assert conversation.step(draft(text, 2), 900) == RESUMED
    assert conversation.step(final(text, 2), 1200) == ()
    assert names(conversation.step(played(1, 2000), 3000)) == ["TurnEnded"]


def test_a_final_settles_it_where_no_draft_came() -> None:
    """Either way."""
    for text, expected in (("Yeah.", RESUMED), ("No.", CANCELLED)):
        conversation = replying()
        conversation.step(speech(2), 0)
        assert conversation.step(final(text, 2), 900) == expected


def test_noise_of_which_nothing_comes_lets_the_reply_go_on() -> None:
    """The engine says how long its words take; nobody waits for longer."""
    conversation = replying()
    conversation.step(speech(2), 0)
    conversation.step(pause(2, final_due_ms=300), 500)

    assert conversation.tick(799) == ()
    assert conversation.due_ms is not None
    assert conversation.tick(conversation.due_ms) == RESUMED


def test_words_that_come_after_the_reply_went_on_end_it_all_the_same() -> None:
    """Slow recognition costs a stumble, never the caller's words."""
    conversation = replying()
    conversation.step(speech(2), 0)
    conversation.step(pause(2), 500)
    conversation.tick(5000)

    assert conversation.step(final("Stop it.", 2), 6000) == CANCELLED


def test_speech_that_goes_on_pauses_the_reply_again() -> None:
    """The words so far were a backchannel ("yeah"), all of them are not ("yeah, but")."""
    conversation = replying()
    for event in (speech(2), pause(2), draft("Yeah.", 2)):
        conversation.step(event, 0)

    assert conversation.step(resumed(2), 1300) == PAUSED
    assert conversation.step(draft("Yeah, but why?", 2), 2500) == CANCELLED


def test_a_session_may_want_longer_speech() -> None:
    """Shorter speech does not even pause the reply."""
    conversation = replying(wanting(min_speech_ms=500))

    assert conversation.step(speech(2), 0) == ()
    assert conversation.due_ms == 400
    conversation.step(pause(2, speech_ms=300), 390)
    assert conversation.tick(1_000) == ()
    conversation.step(speech(3), 2000)
    assert conversation.tick(2400) == PAUSED


def test_a_session_may_want_more_words() -> None:
    """Fewer are a stumble."""
    conversation = replying(wanting(min_words=3))
    conversation.step(speech(2), 0)

    assert conversation.step(partial("but why", 2), 500) == ()
    assert conversation.step(partial("but why not", 2), 900) == CANCELLED


def test_a_session_may_want_no_words() -> None:
    """Then speech alone gives the reply up, at once."""
    assert replying(wanting(min_words=0)).step(speech(2), 0) == CANCELLED


def test_a_session_may_name_backchannels_of_its_own() -> None:
    """As its callers say them."""
    conversation = replying(wanting(backchannels=("Weiter!",)))
    conversation.step(speech(2), 0)

    assert conversation.step(draft("weiter", 2), 500) == RESUMED


def test_a_reply_may_be_spoken_to_its_end_whatever_is_said() -> None:
    """What was said meanwhile is answered afterwards."""
    conversation = replying(wanting(allowed=False))

    assert conversation.step(speech(2), 0) == ()
    assert conversation.step(draft("No, wait.", 2), 500) == ()
    assert conversation.step(final("No, wait.", 2), 700) == ()
    events = conversation.step(played(1, 2000), 2000)
    assert names(events) == ["TurnEnded", "GenerateRequest", "SpeakRequest", "TurnStarted"]
    assert chat(events)[-1] == ("user", "No, wait.")


def test_an_interruption_before_the_first_sound_goes_on_with_the_question() -> None:
    """Nothing of the reply was heard, so both parts are one question."""
    conversation = fed(final("what is"))
    assert conversation.step(speech(2), 0) == PAUSED
    assert conversation.step(partial("the time", 2), 500) == CANCELLED

    assert conversation.step(played(1, 0), 510) == (
        TurnEnded(turn=1, outcome="interrupted", reply="", heard_ms=0),
    )
    assert chat(conversation.step(final("the time", 2), 900)) == [("user", "what is the time")]


def test_ten_interruptions_in_a_row_each_end_one_reply() -> None:
    """The history has what was heard of each, and no reply is left open."""
    conversation = fed(final("start"))
    for turn in range(1, 11):
        conversation.step(clause(turn, 0, "One two."), 0)
        conversation.step(uttered(turn, 0, "One two.", 0), 0)
        said = [
            *conversation.step(speech(turn + 1), 0),
            *conversation.step(partial(f"no {turn}", turn + 1), 0),
            *conversation.step(played(turn, 500), 0),
            *conversation.step(final(f"no {turn}", turn + 1), 0),
        ]
        assert names(tuple(said)) == [
            "ReplyPaused",
            "TurnCancelled",
            "TurnEnded",
            "GenerateRequest",
            "SpeakRequest",
            "TurnStarted",
        ]

    assert [text for role, text in chat(tuple(said)) if role == "assistant"] == ["One"] * 10


def test_a_backchannel_without_a_reply_is_a_turn() -> None:
    """A "yes" may be the answer to a question that was heard to its end."""
    assert names(fed().step(final("Yes."), 0))[-1] == "TurnStarted"
