"""The address for updates under fire, and what is no request for it. Synthetic engines."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import pytest

from bridges.telegram.bots import BotConfig
from bridges.telegram.webhook import SECRET_HEADER
from tests.bridges.telegram.hooks import HOOKED, drip, sent
from tests.bridges.telegram.serving import REPLY, Served
from tests.plain import PLAIN

pytestmark = pytest.mark.model

OTHER = 22_003
HELLO_TLS = bytes.fromhex("1603010200010001fc0303") + bytes(500)


def secret_of(telegram: Served) -> str:
    """What Telegram says with each update of the bot."""
    return BotConfig(token=telegram.api.accounts[HOOKED].token).secret


def until_hooked(telegram: Served, number: int) -> None:
    """Wait until Telegram knows where to send a bot's updates."""
    until_s = time.monotonic() + 30
    while not telegram.api.accounts[number].webhook:
        assert time.monotonic() < until_s
        time.sleep(0.05)


def status_of(answer: bytes) -> bytes:
    """The status of the one answer that came before the connection was ended."""
    assert answer.count(b"HTTP/1.1 ") == 1
    return answer.split(b" ")[1]


def test_what_is_no_update_is_refused(telegram: Served, webhook: str) -> None:
    """Another method or path, TLS where there is none, a head without an end."""
    url = urlsplit(webhook)
    secret = {SECRET_HEADER: secret_of(telegram)}

    for method in ("GET", "PUT", "DELETE"):
        assert httpx2.request(method, webhook, headers=secret, **PLAIN).status_code == 405
    assert httpx2.post(f"{webhook}/more", headers=secret, **PLAIN).status_code == 404
    assert httpx2.post(webhook + "9" * 400, headers=secret, **PLAIN).status_code in (403, 404)
    assert status_of(sent(url.netloc, HELLO_TLS)) == b"400"
    head = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\n".encode()
    assert status_of(sent(url.netloc, head + b"x-more: " + b"x" * (64 << 10))) == b"400"


def test_a_stranger_who_sends_slowly_is_not_listened_to(telegram: Served, webhook: str) -> None:
    """The secret is wrong: the connection ends, whatever of a body is still to come."""
    url = urlsplit(webhook)
    head = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\n{SECRET_HEADER}: no\r\n"
    begun_s = time.monotonic()

    answer = drip(url.netloc, f"{head}content-length: 100000\r\n\r\n")

    assert status_of(answer) == b"403"
    assert time.monotonic() - begun_s < 10.0


def test_a_flood_of_updates_and_of_forged_ones_disturbs_no_other_bot(
    telegram: Served, webhook: str
) -> None:
    """Its people are answered meanwhile; the forged ones are refused, and counted."""
    telegram.configure("other", OTHER, updates="webhook")
    until_hooked(telegram, HOOKED)
    until_hooked(telegram, OTHER)
    ann, ben = telegram.person(HOOKED), telegram.person(OTHER)
    ann_says = (
        '{"update_id": %d, "message": {"message_id": 1, "date": 0, "text": "Hello", '
        f'"chat": {{"id": {ann.chat}, "type": "private", "first_name": "A"}}, '
        f'"from": {{"id": {ann.chat}, "is_bot": false, "first_name": "A"}}}}}}'
    )
    refused = telegram.system.metric(
        "hooks", "voicebus_telegram_webhooks_refused_total", reason="secret"
    )
    secret = secret_of(telegram)

    def flood(kind: int) -> list[int]:
        given = secret if kind % 2 else "forged"
        with httpx2.Client(headers={SECRET_HEADER: given}, **PLAIN) as client:
            return [
                client.post(webhook, content=ann_says % (910_000 + 100 * kind + n)).status_code
                for n in range(50)
            ]

    with ThreadPoolExecutor(16) as many:
        answers = [many.submit(flood, kind) for kind in range(16)]
        ben.write("How deep is the sea?")
        (answer,) = ben.until_seen(within_s=15)
        statuses = [set(future.result()) for future in answers]

    assert answer.given["text"] == REPLY
    assert statuses == [{403}, {200}] * 8
    after = telegram.system.metric(
        "hooks", "voicebus_telegram_webhooks_refused_total", reason="secret"
    )
    assert after - refused == 400
    ann.until_seen()
    assert len(ann.calls("sendMessage")) <= 25
    telegram.remove("other")
    telegram.expect_clean()
