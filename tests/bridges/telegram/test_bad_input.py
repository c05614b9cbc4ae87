"""What people and strangers send that is too much, broken or not theirs. Synthetic engines."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import pytest

from bridges.telegram.bots import BotConfig
from bridges.telegram.webhook import SECRET_HEADER
from tests.bridges.telegram.bot_api.faults import Harm
from tests.bridges.telegram.hooks import HOOKED, drip, post
from tests.bridges.telegram.serving import REPLY, Served, ogg_of
from tests.voicebus.audio.recordings import sentence

pytestmark = pytest.mark.model


def spoken() -> bytes:
    """A recorded sentence as a voice message."""
    return ogg_of(sentence().tobytes())


@pytest.mark.parametrize(
    ("seconds", "size_bytes", "said"),
    [(301, 1000, "too long"), (3, 21 << 20, "too large")],
)
def test_what_is_too_much_is_refused_before_it_is_fetched(
    telegram: Served, seconds: int, size_bytes: int, said: str
) -> None:
    """By what Telegram says of it."""
    ann, before = telegram.person(), len(telegram.api.calls)
    ann.record(spoken(), seconds, file_size=size_bytes)

    (answer,) = ann.until_seen()

    assert said in answer.given["text"]
    assert "getFile" not in [call.method for call in telegram.api.calls[before:]]


def test_a_recording_that_is_longer_than_it_says_is_refused(telegram: Served) -> None:
    """What Telegram says of it is not what is decoded."""
    ann = telegram.person()
    ann.record(ogg_of(bytes(2 * 16_000 * 320)), 3)

    assert "too long" in ann.until_seen()[0].given["text"]


@pytest.mark.parametrize("broken", [b"OggS", b"\x89PNG\r\n\x1a\n" + bytes(100), b"hello " * 20])
def test_what_is_no_recording_is_refused(telegram: Served, broken: bytes) -> None:
    """Cut off in its head, or something else altogether."""
    ann = telegram.person()
    ann.record(broken, 3)

    assert "cannot play" in ann.until_seen()[0].given["text"]


def test_what_is_left_of_a_damaged_recording_is_answered(telegram: Served) -> None:
    """An Ogg file does not say how long it is."""
    ann = telegram.person()
    whole = spoken()
    ann.record(whole[: len(whole) * 2 // 3], 7)

    assert [call.method for call in ann.until_seen()] == ["sendVoice"]


def test_a_download_that_breaks_is_said_to_have_broken(telegram: Served) -> None:
    """Nothing is answered that was not heard whole."""
    telegram.api.faults.add("file", Harm.CUT)
    ann = telegram.person()
    ann.record(spoken(), 7)

    assert "wrong" in ann.until_seen()[0].given["text"]


def test_silence_is_no_question(telegram: Served) -> None:
    """It is said that nothing was heard."""
    ann = telegram.person()
    ann.record(ogg_of(bytes(2 * 16_000 * 3)), 3)

    assert "no words" in ann.until_seen()[0].given["text"]


def test_who_writes_too_much_is_told_once(telegram: Served) -> None:
    """The rest is passed over, and others are served."""
    ann, ben = telegram.person(), telegram.person()
    for number in range(40):
        ann.write(f"/help {number}")
    ben.write("How deep is the sea?")

    assert ben.until_seen()[0].given["text"] == REPLY
    ann.until_seen(2)
    told = [call.given["text"] for call in ann.calls("sendMessage")]
    assert sum("Slower" in text or "One after" in text for text in told) <= 2
    assert len(told) <= 12
    telegram.expect_clean()


def test_a_stranger_is_not_served(telegram: Served) -> None:
    """Who is not on the list is told so once, with the number to be put on it."""
    telegram.configure("closed", 33_003, allow=[1])
    telegram.api.add_bot(33_003)
    ann = telegram.person(33_003)
    ann.write("How deep is the sea?")
    ann.write("How deep is the sea?")

    (answer,) = ann.until_seen()
    time.sleep(1.0)
    assert str(ann.chat) in answer.given["text"]
    assert len(ann.calls("sendMessage")) == 1
    telegram.remove("closed")


def test_updates_may_be_sent(telegram: Served, webhook: str) -> None:
    """To whichever process: the bot's owner answers."""
    ann = telegram.person(HOOKED)
    until_s = time.monotonic() + 30
    while not telegram.api.accounts[HOOKED].webhook and time.monotonic() < until_s:
        time.sleep(0.05)
    assert telegram.api.accounts[HOOKED].webhook["url"] == webhook
    ann.write("How deep is the sea?")

    assert ann.until_seen()[0].given["text"] == REPLY


def test_a_forged_update_is_refused(telegram: Served, webhook: str) -> None:
    """Without the secret, with a wrong one, or with another bot's."""
    token = telegram.api.accounts[HOOKED].token
    secret = BotConfig(token=token).secret
    good = b'{"update_id": 900001, "message": {}}'
    refused = "voicebus_telegram_webhooks_refused_total"
    before = telegram.system.metric("hooks", refused)

    assert post(webhook, "", good) == 403
    assert post(webhook, secret[:-1], good) == 403
    assert post(webhook.replace(str(HOOKED), "1"), secret, good) == 403
    assert post(webhook, secret, b"x" * (300 << 10)) == 413
    assert post(webhook, secret, b"{}") == 400
    assert post(webhook, secret, b"[") == 400
    assert telegram.system.metric("hooks", refused) == before + 6


def test_a_webhook_does_not_wait_for_who_sends_slowly(telegram: Served, webhook: str) -> None:
    """Neither for the head of a request nor, should it know the secret, for a body."""
    url = urlsplit(webhook)
    secret = BotConfig(token=telegram.api.accounts[HOOKED].token).secret
    head = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\n"
    whole = f"{head}{SECRET_HEADER}: {secret}\r\ncontent-length: 1000\r\n\r\n"
    with ThreadPoolExecutor() as both:
        answers = both.map(partial(drip, url.netloc), (head, whole))

    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 408 "] * 2


def test_an_update_that_comes_again_is_answered_once(telegram: Served, webhook: str) -> None:
    """Telegram, or somebody who has seen it, sends it three times."""
    secret = BotConfig(token=telegram.api.accounts[HOOKED].token).secret
    ann = telegram.person(HOOKED)
    body = (
        '{"update_id": 900002, "message": {"message_id": 1, "date": 0, "text": "Hello", '
        f'"chat": {{"id": {ann.chat}, "type": "private", "first_name": "A"}}, '
        f'"from": {{"id": {ann.chat}, "is_bot": false, "first_name": "A"}}}}}}'
    ).encode()

    assert [post(webhook, secret, body) for _ in range(3)] == [200, 200, 200]
    ann.until_seen()
    assert post(webhook, secret, body) == 200
    time.sleep(1.0)
    assert len(ann.calls("sendMessage")) == 1
    assert telegram.system.metric("hooks", "voicebus_telegram_updates_total", state="known") >= 3
