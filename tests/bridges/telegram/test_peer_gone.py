"""The Bot API cannot be reached, or does not answer, and comes back. Synthetic engines."""

from __future__ import annotations

import time

import pytest

from tests.bridges.telegram.bot_api.faults import Harm
from tests.bridges.telegram.serving import REPLY, Served
from tests.bridges.telegram.test_faults import texts

pytestmark = [pytest.mark.fault, pytest.mark.model]

GONE_S = 4.0
"""Longer than an answer of the synthetic engines takes: it is ready before anybody takes it."""


def until_logged(telegram: Served, event: str, count: int) -> None:
    """Wait until the bridge has told something so often."""
    until_s = time.monotonic() + 20
    while telegram.system.processes["telegram"].log.count(event) < count:
        assert time.monotonic() < until_s, f"no {event}"
        time.sleep(0.05)


def test_connections_are_refused_in_mid_turn(telegram: Served) -> None:
    """Nothing can have been sent: what was ready is said when Telegram is back, and only once."""
    ann, ben = telegram.person(), telegram.person()
    ann.write("How deep is the sea?")
    ann.until("sendMessageDraft")
    told = telegram.system.processes["telegram"].log.count("telegram.not_polled")
    with telegram.api.gone():
        ben.write("And how wide?")
        until_logged(telegram, "telegram.not_polled", told + 2)
        time.sleep(GONE_S)
        assert texts(telegram, ann.chat) == []

    ann.until_seen()
    ben.until_seen()
    ann.write("And how old?")
    ann.until_seen(2)
    time.sleep(1.0)
    assert texts(telegram, ann.chat) == [REPLY, REPLY]
    assert texts(telegram, ben.chat) == [REPLY]
    telegram.expect_clean()


def test_a_bot_begins_when_telegram_is_there(telegram: Served) -> None:
    """It may be added before: it is introduced and polled for as soon as somebody answers."""
    with telegram.api.gone():
        telegram.configure("early", 66_001)
        ann = telegram.person(66_001)
        ann.write("How deep is the sea?")
        until_logged(telegram, "telegram.not_polled", 1)
        time.sleep(1.0)

    ann.until_seen()
    time.sleep(1.0)
    assert texts(telegram, ann.chat) == [REPLY]
    telegram.remove("early")


@pytest.mark.parametrize("harm", [Harm.BROKEN, Harm.SLOW, Harm.LOST, Harm.FLOOD])
def test_a_poll_that_fails_loses_and_doubles_nothing(telegram: Served, harm: Harm) -> None:
    """Refused, late, cut off with updates in it, or told to rest: each is answered once."""
    ann, ben = telegram.person(), telegram.person()
    telegram.api.faults.add("getUpdates", harm, seconds=2)
    ann.write("How deep is the sea?")  # it ends the poll that runs; the next one is the one
    ann.until_seen()
    ben.write("And how wide?")
    ben.until_seen()
    time.sleep(1.0)

    assert telegram.api.faults.take("getUpdates") is None
    assert (texts(telegram, ann.chat), texts(telegram, ben.chat)) == ([REPLY], [REPLY])
    telegram.expect_clean()


@pytest.mark.slow
def test_a_poll_that_nobody_answers_is_given_up(telegram: Served) -> None:
    """After the time that Telegram may take for it, and some more; nothing is lost."""
    ann, ben = telegram.person(), telegram.person()
    telegram.api.faults.add("getUpdates", Harm.MUTE)
    ann.write("How deep is the sea?")
    ann.until_seen()
    ben.write("And how wide?")
    ben.until_seen()

    assert texts(telegram, ben.chat) == [REPLY]


@pytest.mark.parametrize("harm", [Harm.FLOOD, Harm.FLOOD_ALL])
def test_telegram_is_left_alone_for_as_long_as_it_wishes(telegram: Served, harm: Harm) -> None:
    """By the chat, or by all of them once a second one has been refused, drafts included."""
    ann = telegram.person()
    others = [telegram.person() for _ in range(4)]
    telegram.api.faults.add("sendMessage", harm, seconds=7)
    ann.write("How deep is the sea?")
    ann.until("sendMessageDraft")
    for other in others:
        time.sleep(1.3)
        other.write("And how wide?")

    for person in (ann, *others):
        person.until_seen()
        assert texts(telegram, person.chat) == [REPLY]
    telegram.expect_clean()
