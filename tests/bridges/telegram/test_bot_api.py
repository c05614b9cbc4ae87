"""The tests' own Bot API server: it is strict, or the tests of the bridge would say nothing."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.bridges.telegram.bot_api.faults import Harm
from tests.bridges.telegram.bot_api.flood import Flood, Rest
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
        refused = client.post(f"{root}/sendChatAction", data={"chat_id": "2", "action": "typing"})
        assert refused.json()["parameters"] == {"retry_after": 7}

        assert len(api.errors) == 1
        assert api.violations == ["sendMessage: more than one message a second in 1"]
        assert [call.method for call in api.calls] == ["sendMessage"]


def test_who_was_told_to_rest_and_does_not_is_noted() -> None:
    """What was on its way is refused, too, but is no fault; other chats may be written to."""
    flood = Flood()
    flood.close("sendMessage", 1, 1, 100.0, 7)

    assert flood.rest("sendMessageDraft", 1, 100.1) == Rest(7)
    assert flood.rest("sendMessage", 2, 101.0) is None
    assert flood.rest("sendMessage", 1, 106.5) == Rest(1, "sendMessage in 1 before retry_after")
    assert flood.rest("sendMessage", 1, 107.0) is None


def test_the_second_chat_that_is_refused_shows_that_it_is_all_of_them() -> None:
    """Nobody can know before, and everybody has to from then on."""
    flood = Flood()
    flood.close("sendMessage", 1, 0, 100.0, 7)

    assert flood.rest("sendMessage", 2, 102.0) == Rest(5)
    assert flood.rest("sendMessage", 3, 102.1) == Rest(5)
    assert flood.rest("sendMessage", 4, 103.0) == Rest(4, "sendMessage in 4 before retry_after")
    assert flood.rest("getFile", 0, 103.0) == Rest(4, "getFile in 0 before retry_after")
    assert flood.rest("getUpdates", 0, 103.0) is None
    assert flood.rest("sendMessage", 4, 107.0) is None
