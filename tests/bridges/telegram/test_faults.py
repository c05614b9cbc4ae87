"""What goes wrong with bridges and with Telegram, and what people see of it. Synthetic engines.

Workers that die in mid-turn: tests/faults/test_telegram.py.
"""

from __future__ import annotations

import signal
import time

import pytest

from bridges.telegram.texts import TEXTS
from tests.bridges.telegram.bot_api.faults import Harm
from tests.bridges.telegram.serving import BOT, REPLY, Served
from voicebus.parts import ROLES

pytestmark = [pytest.mark.fault, pytest.mark.model]


def texts(served: Served, number: int) -> list[str]:
    """What was said in a private chat, all in all."""
    return [
        call.given.get("text", call.method)
        for call in served.api.calls
        if call.method in ("sendMessage", "sendVoice") and call.given["chat_id"] == str(number)
    ]


def test_the_bridge_is_killed_in_mid_turn(telegram: Served) -> None:
    """The next one answers what it had accepted, once, and goes on with the conversation."""
    bridge = telegram.system.processes["telegram"]
    ann = telegram.person()
    ann.write("How deep is the sea?")
    ann.until("sendMessageDraft")
    telegram.kill(bridge)
    telegram.restart(bridge)

    ann.until_seen()
    time.sleep(1.0)
    assert texts(telegram, ann.chat) == [REPLY]


@pytest.mark.slow
def test_another_bridge_takes_over(telegram: Served) -> None:
    """It has stood by; what the dead one had accepted is answered, and what comes then."""
    second = telegram.bridge("telegram-2")
    assert telegram.system.metric("telegram-2", "voicebus_telegram_owned", bot=str(BOT)) == 0
    ann = telegram.person()
    ann.write("How deep is the sea?")
    ann.until("sendMessageDraft")
    first = telegram.system.processes["telegram"]
    telegram.kill(first)

    ann.until_seen()
    ann.write("And how wide?")
    ann.until_seen(2)
    time.sleep(1.0)

    assert texts(telegram, ann.chat) == [REPLY, REPLY]
    assert telegram.api.conflicts == 0
    second.signal(signal.SIGTERM)
    second.wait(15)
    del telegram.system.processes["telegram-2"]
    telegram.restart(first)


def test_a_drained_bridge_finishes_and_hands_over_at_once(telegram: Served) -> None:
    """What runs is answered by it; nobody waits for a lease to end."""
    ann = telegram.person()
    ann.write("How deep is the sea?")
    ann.until("sendMessageDraft")
    bridge = telegram.system.processes["telegram"]
    bridge.signal(signal.SIGTERM)
    assert bridge.wait(20) == 0

    assert texts(telegram, ann.chat) == [REPLY]
    ann.write("And how wide?")
    telegram.restart(bridge)
    ann.until_seen(2)
    assert texts(telegram, ann.chat) == [REPLY, REPLY]


def test_the_bot_api_is_gone_for_a_while(telegram: Served) -> None:
    """The answer waits for it."""
    ann = telegram.person()
    telegram.api.faults.add("sendMessage", Harm.BROKEN, times=3)
    ann.write("How deep is the sea?")

    ann.until_seen()
    assert texts(telegram, ann.chat) == [REPLY]


def test_telegram_wants_to_be_left_alone(telegram: Served) -> None:
    """429: for as long as it says, and then the answer comes."""
    ann = telegram.person()
    waited = "voicebus_telegram_limit_seconds_sum"
    before_s = telegram.system.metric("telegram", waited)
    telegram.api.faults.add("sendMessage", Harm.FLOOD, seconds=2)
    ann.write("How deep is the sea?")
    draft_s = ann.until("sendMessageDraft")[0].at_s

    (answer,) = ann.until_seen()
    assert answer.at_s - draft_s > 2.0
    assert telegram.system.metric("telegram", waited) - before_s >= 1.5
    telegram.expect_clean()


@pytest.mark.parametrize("harm", [Harm.LOST, Harm.GATEWAY])
def test_an_answer_whose_receipt_is_lost_is_not_said_twice(telegram: Served, harm: Harm) -> None:
    """Nobody knows whether it was said: it was."""
    ann = telegram.person()
    telegram.api.faults.add("sendMessage", harm)
    ann.write("How deep is the sea?")
    ann.until_seen()
    ann.write("/help")
    ann.until_seen(2)

    assert texts(telegram, ann.chat) == [REPLY, TEXTS["en"]["help"]]
    assert telegram.system.metric("telegram", "voicebus_telegram_settled_total", outcome="unknown")
    labels = {"method": "sendMessage", "outcome": "unknown"}
    assert telegram.system.metric("telegram", "voicebus_telegram_calls_total", **labels)


def test_a_slow_telegram_is_waited_for(telegram: Served) -> None:
    """One answer, however long its receipt takes."""
    ann = telegram.person()
    telegram.api.faults.add("sendMessage", Harm.SLOW, seconds=3)
    ann.write("How deep is the sea?")
    ann.until_seen()
    ann.write("And how wide?")
    ann.until_seen(2)

    assert texts(telegram, ann.chat) == [REPLY, REPLY]


def test_who_has_blocked_the_bot_disturbs_nobody(telegram: Served) -> None:
    """403: there is no answer, and others have theirs."""
    ann, ben = telegram.person(), telegram.person()
    telegram.api.faults.add("sendMessage", Harm.FORBIDDEN)
    ann.write("How deep is the sea?")
    ann.until("sendMessageDraft")
    time.sleep(2.0)
    ben.write("And how wide?")

    ben.until_seen()
    assert texts(telegram, ann.chat) == []


def test_another_poller_of_the_same_token_is_lived_with(telegram: Served) -> None:
    """409: it is tried again, and nothing is lost."""
    telegram.api.faults.add("getUpdates", Harm.CONFLICT, times=2)
    ann, ben = telegram.person(), telegram.person()
    ann.write("How deep is the sea?")
    ann.until_seen()
    ben.write("How deep is the sea?")
    ben.until_seen()

    assert texts(telegram, ben.chat) == [REPLY]


def test_all_workers_are_in_order_at_the_end(telegram: Served) -> None:
    """Nothing of it was a bug."""
    telegram.system.expect_whole()
    assert all(telegram.system.processes[role].is_ready() for role in ROLES)
    telegram.expect_clean()
