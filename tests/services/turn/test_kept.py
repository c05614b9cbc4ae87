"""What is kept of a conversation, and what of it follows into a session."""

from __future__ import annotations

import pytest

from schemas.conversation import ConversationKept, Exchange
from schemas.settings import SessionSettings, Silence
from services.turn.kept import appended, following, from_elsewhere, merged, unkept

EMPTY = ConversationKept(owners=("o",))


def said(session: str, turn: int, user: str = "question", assistant: str = "answer") -> Exchange:
    """A turn that has ended."""
    return Exchange(session=session, turn=turn, user=user, assistant=assistant)


def kept_of(*exchanges: Exchange, is_cut: bool = False) -> ConversationKept:
    """A conversation with these turns."""
    return ConversationKept(owners=("o",), exchanges=exchanges, is_cut=is_cut)


def test_a_session_says_what_it_wants_and_takes_over_the_rest() -> None:
    """Its own words count; where it says nothing, the conversation's do."""
    kept = SessionSettings(instructions="Be a pirate.", voice="joe", language="ru")

    settings = merged(kept, SessionSettings(voice="amy", greeting="Hi.", turn_taking="manual"))

    assert settings == SessionSettings(
        instructions="Be a pirate.",
        voice="amy",
        language="ru",
        greeting="Hi.",
        turn_taking="manual",
    )


def test_what_is_about_one_way_of_talking_does_not_follow() -> None:
    """A telephone that hangs up says nothing about a page."""
    silence = Silence(prompt="Still there?", prompt_after_s=5, hang_up_after_s=30)
    settings = SessionSettings(voice="joe", silence=silence, greeting="Hi.", max_session_s=60)

    assert following(settings) == SessionSettings(voice="joe")


def test_a_turn_that_is_there_is_not_added_again() -> None:
    """Whoever takes a session over may say once more what was kept."""
    once = appended(EMPTY, [said("s1", 1), said("s2", 1)], 10, 1000)

    assert appended(once, [said("s1", 1), said("s2", 1)], 10, 1000) == once
    assert appended(once, [said("s1", 2)], 10, 1000).exchanges[-1] == said("s1", 2)


@pytest.mark.parametrize(("most", "max_chars"), [(2, 1000), (10, 30)])
def test_the_oldest_turns_go_when_there_are_too_many(most: int, max_chars: int) -> None:
    """By number, or by length; that some have gone is remembered."""
    turns = [said("s1", turn) for turn in (1, 2, 3)]

    kept = appended(EMPTY, turns, most, max_chars)

    assert kept.exchanges == tuple(turns[1:])
    assert kept.is_cut


def test_the_last_turn_is_kept_however_long() -> None:
    """A conversation that forgets its last turn is none."""
    long = said("s1", 2, "word " * 100)

    assert appended(kept_of(said("s1", 1)), [long], 10, 20).exchanges == (long,)


def test_who_takes_over_keeps_what_the_one_before_had_no_time_for() -> None:
    """Only turns behind the last one that is there."""
    log = [said("s1", turn) for turn in (1, 2, 3)]

    assert unkept(EMPTY, "s1", log) == log
    assert unkept(kept_of(said("s1", 2), is_cut=True), "s1", log) == log[2:]
    assert unkept(kept_of(said("s2", 9)), "s1", log) == log


def test_what_may_have_been_kept_and_dropped_is_not_kept_again() -> None:
    """Nobody knows any more whether it was there."""
    assert unkept(kept_of(said("s2", 9), is_cut=True), "s1", [said("s1", 1)]) == []


def test_turns_of_other_sessions_stand_behind_our_turn_that_they_followed() -> None:
    """So a worker that takes over tells the model the same story."""
    turns = (said("a", 1), said("b", 1), said("b", 2), said("a", 2), said("b", 3))

    assert from_elsewhere(kept_of(*turns), "b") == {0: [turns[0]], 2: [turns[3]]}
    assert from_elsewhere(kept_of(*turns), "c") == {0: list(turns)}
