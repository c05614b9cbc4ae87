"""What the model is told of the conversation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.llm import Message, ToolCall
from services.turn.history import History, bounded

WORDS = st.text("abcdefgh ", min_size=1, max_size=60)
STEPS = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), WORDS), max_size=60)
BOUND = 200


def roles(history: History) -> list[str]:
    """Who said what, in order."""
    return [message.role for message in history.messages()]


def filled(steps: list[tuple[str, str]]) -> History:
    """A history after these messages."""
    history = History("Be brief.", BOUND)
    for role, text in steps:
        (history.user if role == "user" else history.assistant)(text)
    return history


def test_the_chat_is_system_prompt_and_messages_in_order() -> None:
    """Oldest first, as chat APIs want it."""
    history = filled([("user", "one"), ("assistant", "two"), ("user", "three")])

    assert [(message.role, message.content) for message in history.messages()] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]


def test_an_unanswered_turn_continues_in_the_next() -> None:
    """Two messages of one role become one: nothing that was said is dropped."""
    history = filled([("user", "one"), ("user", "two")])

    assert [message.content for message in history.messages()][1:] == ["one two"]


def test_what_was_said_last_can_be_taken_back() -> None:
    """And only that: not what waits for an answer before it, nor what was answered."""
    history = filled([("user", "one"), ("assistant", "two"), ("user", "three"), ("user", "four")])
    history.retract("four")
    some = [message.content for message in history.messages()][1:]
    history.retract("three")
    history.retract("two")

    assert some == ["one", "two", "three"]
    assert [message.content for message in history.messages()][1:] == ["one", "two"]


def results(*texts: str) -> tuple[Message, ...]:
    """A wish, and what came of its calls."""
    wish = tuple(ToolCall(index=n, id=f"c{n}", name="stock") for n in range(len(texts)))
    told = (Message(role="tool", content=t, tool_call_id=f"c{n}") for n, t in enumerate(texts))
    return (Message(role="assistant", content="", tool_calls=wish), *told)


@pytest.mark.parametrize(("texts", "kept"), [(("x" * 9_000,), 250), (("y" * 9_000,) * 5, 50)])
def test_what_was_called_does_not_drive_out_what_was_said(
    texts: tuple[str, ...], kept: int
) -> None:
    """Its turn is over: of a long result the beginning is enough, and of several less of each."""
    history = History("Be brief.", 1_000)
    for text in ("My name is Ann.", "I want tea."):
        history.user(text)
        history.assistant("Very well.")
    history.user("What is there?")
    history.called(results(*texts))
    history.assistant("Many kinds.")
    history.user("Which?")

    told = history.messages()
    assert told[1].content == "My name is Ann."
    found = [message.content for message in told if message.role == "tool"]
    assert found == [f"{text[:kept]} [the rest was left out]" for text in texts]


def test_a_short_result_stays_as_it_is() -> None:
    """It may be asked about in the next turn."""
    history = History("Be brief.", 1_000)
    history.user("What is there?")
    history.called(results("Seven boxes of mint, and six of green tea."))

    assert history.messages()[-1].content == "Seven boxes of mint, and six of green tea."


def test_silence_of_the_assistant_is_no_message() -> None:
    """A reply without words leaves no trace."""
    history = filled([("user", "one"), ("assistant", ""), ("user", "two")])

    assert roles(history) == ["system", "user"]


def test_the_head_stays_the_same_until_the_bound_is_reached() -> None:
    """A prompt cache holds: a new message only adds to the end."""
    history = History("Be brief.", 1000)
    before = history.messages()
    cuts = 0
    for number in range(100):
        history.user(f"question {number}, of some length")
        history.assistant(f"answer {number}, of some length")
        after = history.messages()
        if after[: len(before)] != before:
            cuts += 1
        before = after

    # 100 turns of about 55 characters: each cut drops half of the bound.
    assert 1 <= cuts <= 100 * 60 // 400


@given(STEPS)
def test_roles_alternate_and_a_user_begins(steps: list[tuple[str, str]]) -> None:
    """Chat templates refuse anything else."""
    kept = roles(filled([("user", "hello"), *steps]))[1:]

    assert kept == ["user", "assistant"] * (len(kept) // 2) + ["user"] * (len(kept) % 2)


@given(STEPS)
def test_the_history_is_bounded(steps: list[tuple[str, str]]) -> None:
    """However long a conversation lasts, only its last question and answer may exceed the bound."""
    messages = filled(steps).messages()[1:]

    assert len(messages) <= 2 or sum(len(message.content) for message in messages) <= BOUND


@given(STEPS, WORDS)
def test_what_was_said_last_is_always_there(steps: list[tuple[str, str]], text: str) -> None:
    """The model is never asked without the question."""
    history = filled(steps)
    history.user(text)

    assert history.messages()[-1].content.endswith(text)


def test_a_long_question_stays_with_its_answer() -> None:
    """Else the next question would be about nothing."""
    history = filled([("user", "x" * BOUND), ("assistant", "It is long.")])

    assert roles(history) == ["system", "user", "assistant"]


def test_only_one_greeting_is_told() -> None:
    """Who is silent is prompted again and again; the instructions do not grow with it."""
    history = History("Be brief.", 1000)
    history.greeted("Good morning.")
    history.greeted("Hello?")

    assert "Hello?" not in history.messages()[0].content


def test_what_is_only_drafted_leaves_no_trace() -> None:
    """The chat for a draft ends with its words; the history does not."""
    history = filled([("user", "one"), ("assistant", "two")])

    assert [message.content for message in history.messages("three")][1:] == ["one", "two", "three"]
    assert [message.content for message in history.messages()][1:] == ["one", "two"]


def test_a_draft_goes_on_with_an_unanswered_turn() -> None:
    """Roles alternate in the chat for a draft, too."""
    history = filled([("user", "one")])

    assert [message.content for message in history.messages("two")][1:] == ["one two"]
    assert history.messages("two") == filled([("user", "one"), ("user", "two")]).messages()


def test_a_greeting_becomes_part_of_the_instructions() -> None:
    """The user still speaks first, as chat templates want it."""
    history = History("Be brief.", 1000)
    assert history.is_empty
    history.greeted("")
    history.greeted("Good morning.")
    history.user("hi")

    assert roles(history) == ["system", "user"]
    assert history.messages()[0].content.startswith("Be brief.")
    assert history.messages()[0].content.endswith("Good morning.")
    assert not history.is_empty


def said(count: int) -> tuple[Message, ...]:
    """As many messages of ten characters, by turns."""
    roles = ("user", "assistant")
    return tuple(Message(role=roles[n % 2], content=f"message {n:02}") for n in range(count))


def test_a_chat_of_others_gets_a_system_prompt_and_keeps_its_own() -> None:
    """The worker's, where the client has none."""
    own = Message(role="system", content="Be kind.")

    assert bounded(said(1), "Be brief.", 100)[0].content == "Be brief."
    assert bounded((own, *said(1)), "Be brief.", 100) == (own, *said(1))


def test_the_oldest_messages_of_a_long_chat_go_in_blocks() -> None:
    """The head stays the same for several turns, and begins with the user."""
    heads = {bounded(said(count), "x", 200)[1] for count in range(21, 29, 2)}

    assert heads == {said(9)[8]}


def test_a_result_is_not_kept_without_its_call() -> None:
    """A chat begins with the user's message."""
    chat = (*said(8), Message(role="tool", content="y" * 100), *said(3))

    assert [m.role for m in bounded(chat, "x", 140)] == ["system", "user", "assistant", "user"]


def test_the_last_message_stays_however_long() -> None:
    """There would be nothing to answer without it."""
    chat = (*said(2), Message(role="user", content="y" * 500))

    assert bounded(chat, "x", 100)[1:] == chat[-1:]
