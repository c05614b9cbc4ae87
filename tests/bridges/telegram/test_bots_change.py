"""Bots that come, change and go while the bridge runs; and what a chat chooses. Synthetic engines.

What it keeps when its bridge was killed: tests/e2e/test_channels.py.
"""

from __future__ import annotations

import re
import time

import pytest

from tests.bridges.telegram.serving import BOT, REPLY, Served

pytestmark = pytest.mark.model


def test_a_bot_is_added_changed_and_removed(telegram: Served) -> None:
    """By the file alone; the other bot notices nothing."""
    telegram.configure("river", 44_001, welcome="I know rivers.")
    ann = telegram.person(44_001)
    ann.write("/start")
    assert ann.until_seen()[0].given["text"] == "I know rivers."

    telegram.configure("river", 44_001, welcome="I know lakes.", answers="voice")
    for _ in range(20):
        ben = telegram.person(44_001)
        ben.write("/start")
        if ben.until_seen()[0].given["text"] == "I know lakes.":
            break
        time.sleep(0.5)
    ben.write("How deep is it?")
    ben.until("sendVoice")

    telegram.remove("river")
    telegram.until_metric("voicebus_telegram_owned", 0, bot="44001")
    eve = telegram.person()
    eve.write("How deep is the sea?")
    assert eve.until_seen()[0].given["text"] == REPLY


def test_a_token_that_is_replaced_in_its_file_is_used(telegram: Served) -> None:
    """The file of the bots stays as it is."""
    telegram.configure("lake", 44_002, token_file="lake.token")
    ann = telegram.person(44_002)
    ann.write("/help")
    ann.until_seen()

    telegram.renew_token("lake", 44_002)
    until_s = time.monotonic() + 30
    while introductions(telegram, 44_002) < 2:
        assert time.monotonic() < until_s, "the new token was not tried"
        time.sleep(0.05)
    ann.write("/help")
    ann.until_seen(2)
    telegram.remove("lake")


def introductions(served: Served, bot: int) -> int:
    """How often a bot has asked for its name: once for each time that it has begun."""
    return sum(call.bot == bot and call.method == "getMe" for call in served.api.calls)


def test_a_file_that_is_wrong_changes_nothing(telegram: Served) -> None:
    """It is said in the log and in a metric, and what was there before goes on."""
    before = telegram.spoil()
    telegram.until_metric("voicebus_telegram_bots_unreadable", 1)
    ann = telegram.person()
    ann.write("How deep is the sea?")
    assert ann.until_seen()[0].given["text"] == REPLY

    telegram.mend(before)
    telegram.until_metric("voicebus_telegram_bots_unreadable", 0)


def test_a_conversation_goes_on_in_another_chat(telegram: Served) -> None:
    """With a code, once; a second use, and a guess, are refused."""
    ann, ben, eve = telegram.person(), telegram.person(), telegram.person()
    ann.write("How deep is the sea?")
    ann.until_seen()
    ann.write("/link")
    told = ann.until_seen(2)[1].given["text"]
    code = re.search(r"[2-9A-Z]{4}-[2-9A-Z]{4}", told)
    assert code is not None

    ben.write(f"/start {code[0]}")
    assert "that conversation" in ben.until_seen()[0].given["text"]
    eve.write(f"/link {code[0]}")
    assert "not good" in eve.until_seen()[0].given["text"]
    eve.write("/link AAAA-BBBB")
    assert "not good" in eve.until_seen(2)[1].given["text"]


def test_an_answer_is_stopped(telegram: Served) -> None:
    """By the command and by the draft's own button: what is there is the answer."""
    for stop in ("command", "draft"):
        ann = telegram.person()
        ann.write("How deep is the sea?")
        draft = ann.until("sendMessageDraft")[0]
        if stop == "command":
            ann.write("/stop")
        else:
            ann.halt(int(draft.given["draft_id"]))

        (answer,) = ann.until_seen()
        assert REPLY.startswith(answer.given["text"])
        assert answer.given["text"] != REPLY


def test_settings_are_shown_and_reset(telegram: Served) -> None:
    """Language, persona, and a new conversation."""
    telegram.configure("sea", BOT, personas={"sailor": {"instructions": "You sail."}})
    for _ in range(20):
        ann = telegram.person()
        ann.write("/settings")
        (menu,) = ann.until_seen()
        if "m:personas" in menu.given["reply_markup"]:
            break
        time.sleep(0.5)
    ann.press("m:personas", menu)
    personas = ann.until("sendMessage", len(ann.calls("sendMessage")) + 1)[-1]
    ann.press("p:sailor", personas)
    ann.until("editMessageText")
    assert "Persona: sailor" in ann.calls("editMessageText")[-1].given["text"]
    count = len(ann.calls("sendMessage"))
    ann.write("/reset")

    assert "new conversation" in ann.until("sendMessage", count + 1)[-1].given["text"]
    telegram.configure("sea", BOT)
