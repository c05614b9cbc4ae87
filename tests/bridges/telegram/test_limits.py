"""Telegram's flood limits, by a clock of the test's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.telegram.limits import SPARE, Limiter
from tests.bridges.telegram.bot_api.flood import Flood


def called(limiter: Limiter, chat: int | None, now_s: float, took_s: float = 0.0) -> float:
    """Make a call as soon as it may be; return when it was made."""
    while (wait_s := limiter.wait_s(chat, now_s)) > 0:
        now_s += wait_s
    limiter.begin(chat, now_s)
    limiter.end(chat, now_s + took_s)
    return now_s


def test_a_chat_gets_one_message_a_second() -> None:
    """Counted from the answer to the one before: Telegram may have counted it then."""
    limiter = Limiter()

    first = called(limiter, 1, 100.0, took_s=0.4)
    second = called(limiter, 1, 100.4)

    assert (first, second) == (100.0, 101.4)


def test_other_chats_do_not_wait() -> None:
    """One chat's second is nobody else's."""
    limiter = Limiter()

    called(limiter, 1, 100.0)

    assert limiter.wait_s(2, 100.0) == 0.0


def test_a_chat_waits_for_the_answer_to_its_message() -> None:
    """How long that is nobody knows."""
    limiter = Limiter()
    limiter.begin(1, 100.0)

    assert limiter.wait_s(1, 105.0) == math.inf


def test_all_chats_together_get_thirty_calls_a_second() -> None:
    """The one after them waits until the first of them is a second old."""
    limiter = Limiter()
    for chat in range(30):
        assert called(limiter, chat, 100.0 + chat / 100) == 100.0 + chat / 100

    assert called(limiter, 31, 100.5) == 101.0


def test_a_group_gets_twenty_messages_a_minute_and_keeps_some_for_answers() -> None:
    """What is only shown early leaves room for what must be said."""
    limiter, now_s = Limiter(), 100.0
    for _ in range(20 - SPARE):
        now_s = called(limiter, -1, now_s) + 1.0

    assert limiter.wait_s(-1, now_s, SPARE) > 30
    assert limiter.wait_s(-1, now_s) == 0.0
    for _ in range(SPARE):
        now_s = called(limiter, -1, now_s) + 1.0
    assert called(limiter, -1, now_s) == 160.0


def test_telegram_is_left_alone_for_as_long_as_it_says() -> None:
    """By the chat that it named, and by all where it named none."""
    limiter = Limiter()
    limiter.refused(1, 7, 100.0)

    assert limiter.wait_s(1, 100.0) == 7.0
    assert limiter.is_closed(1, 106.0)
    assert limiter.wait_s(2, 100.0) == 0.0
    limiter.refused(None, 3, 100.0)
    assert limiter.wait_s(2, 100.0) == 3.0


def test_two_chats_that_are_refused_at_once_are_the_whole_bot() -> None:
    """The others would each find it out for themselves, against Telegram's wish."""
    limiter = Limiter()
    limiter.refused(1, 7, 100.0)
    limiter.refused(1, 7, 100.2)
    limiter.refused(2, 7, 102.0)
    assert limiter.wait_s(3, 102.0) == 0.0

    limiter.refused(1, 6, 102.5)

    assert limiter.wait_s(3, 102.5) == 6.0


def test_two_chats_that_are_refused_until_the_same_time_are_the_whole_bot() -> None:
    """However long after one another: what is left is told in whole seconds."""
    limiter = Limiter()
    limiter.refused(1, 30, 100.0)
    limiter.refused(2, 28, 102.7)

    assert limiter.wait_s(3, 102.7) == pytest.approx(28)


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, -1, -2]), st.floats(0, 0.5), st.floats(0, 1)),
        max_size=120,
    )
)
def test_the_server_never_counts_too_many(calls: list[tuple[int, float, float]]) -> None:
    """Wherever between call and answer it counts each one."""
    limiter, flood, now_s = Limiter(), Flood(), 100.0
    for chat, took_s, part in calls:
        now_s = called(limiter, chat, now_s, took_s)

        assert flood.exceeded("sendMessage", chat, now_s + took_s * part) == ""
        now_s += took_s
