"""The tests' own Bot API server: it is strict, or the tests of the bridge would say nothing."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.bridges.telegram.bot_api.faults import Harm
from tests.bridges.telegram.bot_api.server import BotApi
from tests.bridges.telegram.bot_api.shapes import fault_of


@pytest.mark.parametrize(
    ("method", "given", "wrong"),
    [
        ("sendMessage", {"chat_id": "1", "text": "hello"}, ""),
        ("sendMessage", {"chat_id": "1"}, "missing"),
        ("sendMessage", {"chat_id": "1", "text": ""}, "wrong form"),
        ("sendMessage", {"chat_id": "1", "text": "a" * 4097}, "wrong form"),
        ("sendMessage", {"chat_id": "1", "text": "🔊" * 2049}, "wrong form"),
        ("sendMessage", {"chat_id": "1", "text": "a", "parse_mode": "HTML"}, "unknown"),
        ("sendMessage", {"chat_id": "@name", "text": "a"}, "wrong form"),
        ("sendMessageDraft", {"chat_id": "1", "draft_id": "0", "text": "a"}, "wrong form"),
        ("sendVoice", {"chat_id": "1", "voice": "attach://x"}, "wrong form"),
        ("sendVoice", {"chat_id": "1", "voice": b"OggS"}, ""),
        ("sendChatAction", {"chat_id": "1", "action": "dance"}, "wrong form"),
        ("sendSticker", {}, "no such method"),
        (
            "sendMessage",
            {
                "chat_id": "1",
                "text": "a",
                "reply_markup": '{"inline_keyboard": [[{"text": "a", "callback_data": ""}]]}',
            },
            "wrong form",
        ),
    ],
)
def test_a_call_has_the_form_of_its_method(method: str, given: dict[str, Any], wrong: str) -> None:
    """What Telegram would refuse is refused."""
    fault = fault_of(method, given)

    assert wrong in fault
    assert bool(fault) is bool(wrong)


def test_what_is_wrong_is_answered_and_noted() -> None:
    """Strangers, wrong forms, floods, and what a test wants to go wrong."""
    with BotApi() as api, httpx2.Client(base_url=api.url, trust_env=False) as client:
        root = f"/bot{api.add_bot(5).token}"
        good = {"chat_id": "1", "text": "hello"}

        assert client.post("/bot5:wrong/getMe").status_code == 401
        assert client.post(f"{root}/sendMessage", data={"chat_id": "1"}).status_code == 400
        assert client.post(f"{root}/sendMessage", data=good).json()["ok"] is True
        assert client.post(f"{root}/sendMessage", data=good).status_code == 429
        api.faults.add("sendChatAction", Harm.FLOOD, seconds=7)
        refused = client.post(f"{root}/sendChatAction", data={"chat_id": "1", "action": "typing"})
        assert refused.json()["parameters"] == {"retry_after": 7}

        assert len(api.errors) == 1
        assert api.violations == ["sendMessage: more than one message a second in 1"]
        assert [call.method for call in api.calls] == ["sendMessage"]
