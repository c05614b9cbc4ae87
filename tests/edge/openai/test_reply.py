"""One reply of the language model, as it comes."""

from __future__ import annotations

import pytest

from edge.openai.reply import Reply
from schemas.llm import GenerationDone, TokenDelta, ToolCall
from voicebus.errors import EngineUnavailable


def delta(text: str = "", *calls: ToolCall) -> TokenDelta:
    """A piece of a reply."""
    return TokenDelta(turn=1, text=text, tool_calls=calls)


def test_words_are_put_together() -> None:
    """The end has the counts, and why it was the end."""
    reply = Reply()

    reply.take(delta("Hello"))
    reply.take(delta(" you"))
    reply.take(
        GenerationDone(turn=1, text="Hello you", tokens=2, prompt_tokens=5, finish_reason="length")
    )

    assert (reply.text, reply.finish_reason) == ("Hello you", "length")
    assert (reply.tokens, reply.prompt_tokens) == (2, 5)


def test_pieces_of_calls_are_put_together_by_their_index() -> None:
    """Servers number them as they like; clients get them from 0, with id and name once."""
    reply = Reply()

    first = reply.take(delta("", ToolCall(index=3, id="a", name="one", arguments="{")))
    second = reply.take(delta("", ToolCall(index=7, id="b", name="two", arguments="[")))
    rest = reply.take(
        delta("", ToolCall(index=3, id="a", name="one", arguments="}"), ToolCall(index=7))
    )

    assert [(call.index, call.id, call.name) for call in (*first, *second, *rest)] == [
        (0, "a", "one"),
        (1, "b", "two"),
        (0, "", ""),
        (1, "", ""),
    ]
    assert [call.arguments for call in reply.calls] == ["{}", "["]


def test_a_call_without_an_id_is_given_one() -> None:
    """By it its result will be known."""
    reply = Reply()

    (piece,) = reply.take(delta("", ToolCall(name="one")))

    assert piece.id.startswith("call_")
    assert reply.calls[0].id == piece.id


def test_a_reason_that_clients_do_not_know_is_an_end_like_others() -> None:
    """The SDKs know four."""
    reply = Reply()

    reply.take(GenerationDone(turn=1, text="", finish_reason="eos_token"))

    assert reply.finish_reason == "stop"


def test_a_reply_that_nobody_could_go_on_with_is_none() -> None:
    """Half an answer that looks like a whole one would be a lie."""
    with pytest.raises(EngineUnavailable):
        Reply().take(GenerationDone(turn=1, text="Hel", finish_reason="cut"))


def test_a_reply_that_begins_anew_is_the_new_one() -> None:
    """Nothing of the words before is left."""
    reply = Reply()
    for said in (delta("Hel"), TokenDelta(turn=1, text="Good", anew=True), delta(" day")):
        reply.take(said)

    assert reply.text == "Good day"
