"""Answers that a client asks for one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, Message
from schemas.session import AnswerAsked, CancelAsked
from schemas.settings import SessionSettings
from schemas.tts import SpeakRequest
from schemas.turn import HangUp, TurnCancelled, TurnEnded, TurnStarted
from services.turn.answers import Answers
from services.turn.persona import Persona
from tests.services.turn.scenes import WRITTEN, clause, generated, names, of, spoken


def asked(number: int = 0, text: str = "hello", *, speak: bool = True) -> AnswerAsked:
    """The client wants an answer to this."""
    chat = (Message(role="user", content=text),)
    voice = SpeakRequest(voice="joe", rate_hz=8_000) if speak else None
    return AnswerAsked(generate=GenerateRequest(messages=chat), speak=voice, seq=number)


def fed(*events: Event, persona: Persona = WRITTEN) -> Answers:
    """A session in which this has happened."""
    answers = Answers(persona)
    for event in events:
        answers.step(event, 0.0)
    return answers


def test_an_answer_is_asked_of_both_workers_at_once() -> None:
    """Jobs go first; the turn says which request it answers, and carries what was asked."""
    answers = Answers(WRITTEN)

    write, speak, started = answers.step(asked(3), 0.0)

    assert isinstance(write, GenerateRequest)
    assert [(m.role, m.content) for m in write.messages] == [
        ("system", "Be brief."),
        ("user", "hello"),
    ]
    assert isinstance(speak, SpeakRequest)
    assert (speak.voice, speak.rate_hz, speak.turn) == ("joe", 8_000, 1)
    assert started == TurnStarted(text="hello", typed=True, control=3, turn=1)


def test_the_clients_own_instructions_stay() -> None:
    """A chat with a system message gets no other."""
    chat = (Message(role="system", content="Be kind."), Message(role="user", content="hi"))

    write, _ = Answers(WRITTEN).step(AnswerAsked(generate=GenerateRequest(messages=chat)), 0.0)

    assert isinstance(write, GenerateRequest)
    assert write.messages == chat


def test_a_spoken_answer_is_over_when_it_is_spoken() -> None:
    """Nobody waits until it was heard: that is the client's to say."""
    answers = fed(asked(), generated(1))

    (ended,) = answers.step(spoken(1), 0.0)

    assert ended == TurnEnded(outcome="completed", reply="Hello there.", turn=1)
    assert answers.reply is None
    assert answers.due_ms is None


def test_a_written_answer_is_over_when_it_is_written() -> None:
    """No voice is asked, none is waited for."""
    answers = Answers(WRITTEN)
    assert names(answers.step(asked(speak=False), 0.0)) == ["GenerateRequest", "TurnStarted"]

    assert names(answers.step(generated(1), 0.0)) == ["TurnEnded"]


def test_answers_follow_each_other() -> None:
    """What is asked for while another is made waits for its end."""
    answers = fed(asked(0, speak=False))
    assert answers.step(asked(1, "and?", speak=False), 0.0) == ()

    ended, write, started = answers.step(generated(1), 0.0)

    assert isinstance(ended, TurnEnded)
    assert write.turn == started.turn == 2
    assert isinstance(started, TurnStarted)
    assert started.control == 1


def test_cancelling_ends_what_is_made_and_what_waits() -> None:
    """Both were asked for before; what is asked for afterwards is answered."""
    answers = fed(asked(0), asked(1))

    assert answers.step(CancelAsked(), 0.0) == (
        TurnCancelled(turn=1),
        TurnEnded(outcome="interrupted", turn=1),
    )
    assert names(answers.step(asked(2), 0.0))[-1] == "TurnStarted"
    assert answers.turn == 2


def test_a_failure_ends_the_answer() -> None:
    """The other stage is told to stop, too."""
    answers = fed(asked(), clause(1, 0, "Hello."))
    failure = Failure(stage="tts", code="engine", message="no voice", turn=1)

    assert answers.step(failure, 0.0) == (
        TurnCancelled(turn=1),
        TurnEnded(outcome="failed", reply="Hello.", turn=1),
    )


def test_an_answer_on_which_nobody_works_is_given_up() -> None:
    """Each sign of progress is waited for as long as the first."""
    answers = fed(asked())
    answers.step(clause(1, 0, "Hello."), 10_000.0)
    assert answers.due_ms == 10_000.0 + WRITTEN.stall_ms

    assert names(answers.tick(answers.due_ms)) == ["Failure", "TurnCancelled", "TurnEnded"]
    assert answers.due_ms is None


def test_a_session_has_an_end() -> None:
    """It is told when its longest time is over, counted from its beginning."""
    answers = Answers(of(SessionSettings(max_session_s=60)))
    answers.open(100_000.0, age_ms=20_000.0)
    assert answers.due_ms == 140_000.0

    assert answers.tick(140_000.0) == (HangUp(reason="limit"),)


def test_a_worker_that_takes_over_answers_what_nobody_has_begun() -> None:
    """What the log says was begun is not begun again; what it says was ended is over."""
    answers = Answers(WRITTEN, first_revision=1000)
    for event in (asked(0), TurnStarted(text="hello", control=0, turn=1), asked(1)):
        answers.recall(event, 0.0)
    assert answers.go_on(0.0) == ()
    answers.recall(TurnEnded(outcome="completed", turn=1), 0.0)

    write, _, started = answers.go_on(0.0)

    assert isinstance(started, TurnStarted)
    assert (started.turn, started.revision, started.control) == (2, 1000, 1)
    assert write.revision == 1000


def test_a_worker_that_takes_over_ends_a_written_answer() -> None:
    """Whether it is spoken is known from what was asked, not from what was decided."""
    answers = Answers(WRITTEN, first_revision=1000)
    begun = TurnStarted(text="hello", control=0, turn=1)
    for event in (asked(0, speak=False), begun, generated(1)):
        answers.recall(event, 0.0)

    assert names(answers.go_on(0.0)) == ["TurnEnded"]


def early(number: int, text: str = "hello") -> AnswerAsked:
    """The client may want an answer to this."""
    order = asked(number, text)
    return replace(order, generate=replace(order.generate, speculative=True))


def test_what_is_asked_for_early_is_begun_and_not_told() -> None:
    """Asked for in earnest, it is the turn, with all that was made of it."""
    answers = Answers(WRITTEN)
    assert names(answers.step(early(0), 0.0)) == ["GenerateRequest", "SpeakRequest"]
    assert answers.step(generated(1), 0.0) == ()

    (started,) = answers.step(asked(1), 0.0)

    assert started == TurnStarted(text="hello", typed=True, speculated=True, control=1, turn=1)
    assert names(answers.step(spoken(1), 0.0)) == ["TurnEnded"]


@pytest.mark.parametrize("otherwise", [early(1, "hello you"), asked(1, "hello you")])
def test_what_was_begun_early_is_dropped_for_other_words(otherwise: AnswerAsked) -> None:
    """The next attempt has a revision of its own."""
    answers = fed(early(0))

    dropped, write, *_ = answers.step(otherwise, 0.0)

    assert dropped == TurnCancelled(turn=1, revision=0)
    assert (write.turn, write.revision) == (1, 1)


def test_cancelling_drops_what_was_begun_early() -> None:
    """Nothing was told of it, so nothing ends."""
    answers = fed(early(0))

    assert answers.step(CancelAsked(), 0.0) == (TurnCancelled(turn=1),)
    assert names(answers.step(asked(1), 0.0)) == ["GenerateRequest", "SpeakRequest", "TurnStarted"]


def test_a_draft_that_failed_is_begun_anew() -> None:
    """Nobody hears of the failure of what nobody asked for yet."""
    answers = fed(early(0))
    failure = Failure(stage="llm", code="engine", message="x", turn=1)
    assert names(answers.step(failure, 0.0)) == ["TurnCancelled"]

    write, *_ = answers.step(asked(1), 0.0)

    assert (write.turn, write.revision) == (1, 1)


def test_nothing_is_begun_early_beside_an_answer() -> None:
    """One thing at a time: it would take what the other needs."""
    assert fed(asked(0)).step(early(1), 0.0) == ()


STEPS = st.lists(
    st.one_of(
        st.builds(asked, st.integers(0, 5), speak=st.booleans()),
        st.builds(early, st.integers(0, 5)),
        st.just(CancelAsked()),
        st.builds(generated, st.integers(0, 4)),
        st.builds(spoken, st.integers(0, 4)),
        st.builds(
            Failure,
            stage=st.just("llm"),
            code=st.just("engine"),
            message=st.just("x"),
            turn=st.integers(0, 4),
        ),
    ),
    max_size=40,
)


@given(STEPS, st.integers(0, 40))
def test_every_answer_begins_once_and_ends_once(steps: list[Event], lost_at: int) -> None:
    """Whatever happens, and whichever worker leads: turns follow each other, one at a time."""
    answers = Answers(WRITTEN)
    told: list[Event] = []
    past: list[Event] = []
    for index, event in enumerate(steps):
        if index == lost_at:
            answers = Answers(WRITTEN, first_revision=1000)
            for known in past:
                answers.recall(known, 0.0)
            told += answers.go_on(0.0)
        now = answers.step(event, 0.0)
        told += now
        past += [event, *now]
    told += answers.close(0.0)

    turns = [(type(e).__name__, e.turn) for e in told if isinstance(e, TurnStarted | TurnEnded)]
    count = len(turns) // 2
    assert turns == [
        pair
        for turn in range(1, count + 1)
        for pair in (("TurnStarted", turn), ("TurnEnded", turn))
    ]
    controls = [e.control for e in told if isinstance(e, TurnStarted)]
    assert controls == sorted(set(controls))
