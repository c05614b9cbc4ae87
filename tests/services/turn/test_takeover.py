"""What a worker knows of a conversation that another one has led until now."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event import Event
from schemas.llm import GenerateRequest, Message
from schemas.session import CancelAsked, KeysPressed, PlaybackEnded, TurnTakingSet, UserText
from schemas.settings import SessionSettings, Silence
from schemas.stt import TranscriptFinal
from schemas.turn import ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from services.turn.keypad import KEYS_MS
from services.turn.machine import Conversation
from services.turn.persona import Persona
from tests.services.turn.scenes import (
    LIVE,
    chat,
    clause,
    final,
    generated,
    names,
    of,
    played,
    recalled,
    spoken,
    uttered,
)
from tests.services.turn.test_machine_properties import PERSONAS, RECORDED

CONTROLS = (UserText, KeysPressed, CancelAsked, TurnTakingSet, PlaybackEnded)
DECIDED = (TurnStarted, TurnEnded)


def test_what_was_answered_is_not_answered_again() -> None:
    """The log says which utterance and which typed text the last turn took into account."""
    conversation = recalled(
        UserText(text="hi", seq=1),
        final("hello"),
        TurnStarted(turn=1, text="hi hello", utterance=1, control=1),
    )

    assert names(conversation.go_on(0)) == ["ReplyResumed"]
    assert conversation.turn == 1


def test_what_came_while_the_last_answer_was_decided_is_answered() -> None:
    """It stands in the log before the decision that did not know of it."""
    conversation = recalled(
        UserText(text="one", seq=1),
        UserText(text="two", seq=2),
        TurnStarted(turn=1, text="one", typed=True, control=1),
        TurnEnded(turn=1, outcome="interrupted"),
    )

    events = conversation.go_on(0)

    assert chat(events) == [("user", "one two")]
    assert events[-1] == TurnStarted(turn=2, revision=1000, text="two", typed=True, control=2)


def test_what_was_asked_and_not_begun_is_asked_again() -> None:
    """Jobs go out before the log says so; the new attempt replaces the old one."""
    events = recalled(final("hello")).go_on(0)

    assert names(events) == ["GenerateRequest", "SpeakRequest", "TurnStarted"]
    assert {event.revision for event in events} == {1000}


def test_keys_that_were_answered_are_not_answered_again() -> None:
    """The worker before took them after a pause, of which the log has no message."""
    conversation = recalled(
        KeysPressed(digits="12", seq=3),
        TurnStarted(turn=1, text="[keys pressed: 12]", typed=True, control=3),
        KeysPressed(digits="3", seq=4),
    )

    assert "TurnStarted" not in names(conversation.go_on(0))
    conversation.step(played(1), 0)
    conversation.step(spoken(1), 0)
    assert names(conversation.tick(KEYS_MS))[:1] == ["TurnCancelled"]


def test_a_reply_that_may_have_been_paused_goes_on() -> None:
    """Nobody knows any more for which words it was."""
    conversation = recalled(final("hello"), TurnStarted(turn=1, text="hello", utterance=1))

    assert conversation.go_on(0) == (ReplyResumed(turn=1),)


def test_a_reply_that_was_interrupted_is_so_once_more() -> None:
    """The order to stop is not recorded: it is given again, and playback asked for."""
    conversation = recalled(final("hello"), TurnStarted(turn=1, text="hello", utterance=1))

    orders = conversation.recall(final("no, stop", 2), 0)

    assert names(orders) == ["TurnCancelled"]
    assert conversation.go_on(0) == ()
    assert names(conversation.step(played(1, 0), 0))[0] == "TurnEnded"


def test_a_reply_that_partial_words_interrupted_stays_interrupted() -> None:
    """They are not recorded, but the order to stop is."""
    conversation = recalled(
        final("hello"),
        TurnStarted(turn=1, text="hello", utterance=1),
        TurnCancelled(turn=1, revision=7),
        TurnCancelled(turn=1),
    )

    assert conversation.go_on(0) == ()
    assert conversation.step(played(1, 0), 0) == (
        TurnEnded(turn=1, outcome="interrupted", heard_ms=0),
    )


@pytest.mark.parametrize("is_played", [True, False])
def test_the_end_that_the_log_lacks_is_concluded(is_played: bool) -> None:
    """All was made and heard, and the worker died before it said so."""
    made = (clause(1, 0, "Hi."), generated(1, "Hi."), uttered(1, 0, "Hi.", 0), spoken(1))
    heard = (played(1, 500),) if is_played else ()
    log = (final("hello"), TurnStarted(turn=1, text="hello", utterance=1), *made, *heard)

    events = recalled(*log).go_on(0)

    ended = TurnEnded(turn=1, outcome="completed", reply="Hi.", heard_ms=500)
    assert (ended in events) is is_played


def test_silence_is_prompted_as_often_as_if_nothing_had_happened() -> None:
    """Prompts count on; the silence before the takeover counts, too."""
    silence = Silence(prompt="Hello?", prompt_after_s=5, prompts=1)
    conversation = recalled(
        TurnStarted(turn=1, text="", said="Hello?"),
        TurnEnded(turn=1, outcome="completed", reply="Hello?"),
        persona=of(SessionSettings(silence=silence)),
    )

    assert conversation.due_ms is None


def test_the_longest_time_of_a_session_counts_from_its_beginning() -> None:
    """Not from the takeover."""
    conversation = recalled(persona=of(SessionSettings(max_session_s=60)))
    conversation.open(1_000_000, age_ms=50_000)

    assert conversation.due_ms == 1_010_000


def numbered(events: list[Event]) -> list[Event]:
    """As edge and listener number what they say."""
    numbers: list[Event] = []
    controls = utterances = 0
    for event in events:
        if isinstance(event, CONTROLS):
            controls += 1
            numbers.append(msgspec.structs.replace(event, seq=controls))
        elif isinstance(event, TranscriptFinal):
            utterances += 1
            numbers.append(msgspec.structs.replace(event, utterance=utterances))
        else:
            numbers.append(event)
    return numbers


# A pause completes keys, too, and the log does not say so: they are answered later then.
WHOLE = RECORDED.filter(lambda event: event != KeysPressed(digits="1"))


@given(PERSONAS, st.lists(st.tuples(WHOLE, st.integers(0, 20_000)), max_size=40))
@settings(max_examples=300)
def test_its_own_log_gives_the_same_history(
    persona: Persona, steps: list[tuple[Event, int]]
) -> None:
    """A worker that takes over asks the model with the chat that the old one would have."""
    before, after = Conversation(persona), Conversation(persona, first_revision=1000)
    now_ms = 0.0
    log = [(event, now_ms) for event in before.open(now_ms)]
    for event, (_, later_ms) in zip(numbered([event for event, _ in steps]), steps, strict=True):
        now_ms += later_ms
        log += [(said, now_ms) for said in before.tick(now_ms)]
        log += [(said, now_ms) for said in (event, *before.step(event, now_ms))]
    for event, at_ms in log:
        after.recall(event, at_ms)
    resumed = after.go_on(now_ms)

    assert not [event for event in resumed if isinstance(event, GenerateRequest | TurnEnded)]
    question = UserText(text="what now?", seq=52)
    for event in (CancelAsked(seq=50), PlaybackEnded(turn=before.turn, played_ms=0), question):
        before.step(event, now_ms)
        after.step(event, now_ms)
    asked, asked_after = (led.tick(now_ms + 10_000) for led in (before, after))
    assert [names(asked_after), chats(asked_after)] == [names(asked), chats(asked)]
    assert after.turn == before.turn


def chats(events: tuple[Event, ...]) -> list[tuple[Message, ...]]:
    """What the model is asked."""
    return [event.messages for event in events if isinstance(event, GenerateRequest)]


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 12), st.integers(0, 5))
@settings(max_examples=300)
def test_each_typed_word_is_answered_once(
    are_played: list[bool], died_after: int, behind: int
) -> None:
    """However many of them the log had already when the last decision of the old worker came."""
    events: list[Event] = []
    for number, is_played in enumerate(are_played):
        events.append(UserText(text=f"word{number}", seq=2 * number))
        if is_played:
            events.append(PlaybackEnded(turn=number + 1, played_ms=0, seq=2 * number + 1))
    before, after = Conversation(LIVE), Conversation(LIVE, first_revision=1000)
    handled = [(event, before.step(event, 0)) for event in events[:died_after]]
    inputs: list[Event] = []
    log: list[Event] = []
    for index, (_, said) in enumerate(handled):
        inputs = events[: index + 1 + behind]
        log += [event for event in inputs if event not in log]
        log += [event for event in said if isinstance(event, DECIDED)]
    log += [event for event in events if event not in log]

    for event in log:
        after.recall(event, 0)
    told: list[Event] = [*log, *after.go_on(0)]
    told += after.tick(10_000)
    told += after.step(UserText(text="end", seq=99), 10_000)
    told += after.tick(20_000)
    words = " ".join(event.text for event in told if isinstance(event, TurnStarted)).split()

    assert words == [f"word{number}" for number in range(len(are_played))] + ["end"]
