"""Which fields each method takes, and what may stand in them.

Source: https://core.telegram.org/bots/api#available-methods
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Check = Callable[[Any], bool]


def _integer(value: Any) -> bool:
    return isinstance(value, str) and value.removeprefix("-").isdecimal()


def _boolean(value: Any) -> bool:
    return value in ("true", "false")


def _text(limit: int, least: int = 1) -> Check:
    return lambda value: (
        isinstance(value, str) and least <= len(value.encode("utf-16-le")) // 2 <= limit
    )


def _one_of(*allowed: str) -> Check:
    return lambda value: value in allowed


def _json(kind: type) -> Check:
    def check(value: Any) -> bool:
        try:
            return isinstance(json.loads(value), kind)
        except (TypeError, ValueError):
            return False

    return check


def _keyboard(value: Any) -> bool:
    """Rows of buttons, each with a text and at most 64 bytes of data."""
    if not _json(dict)(value):
        return False
    markup = json.loads(value)
    if set(markup) != {"inline_keyboard"}:
        return False
    buttons = [button for row in markup["inline_keyboard"] for button in row]
    return bool(buttons) and all(
        set(b) == {"text", "callback_data"}
        and b["text"]
        and 1 <= len(b["callback_data"].encode()) <= 64
        for b in buttons
    )


def _upload(value: Any) -> bool:
    """A file that came with the form."""
    return isinstance(value, bytes) and len(value) > 0


_CHAT: Final[Mapping[str, Check]] = {"chat_id": _integer}
_TOPIC: Final[Mapping[str, Check]] = {"message_thread_id": _integer}
_ACTIONS: Final = ("typing", "record_voice", "upload_voice")

METHODS: Final[Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]]] = {
    "getMe": ({}, {}),
    "setMyCommands": ({"commands": _json(list)}, {"language_code": _text(2)}),
    "getUpdates": (
        {},
        {
            "offset": _integer,
            "limit": _integer,
            "timeout": _integer,
            "allowed_updates": _json(list),
        },
    ),
    "setWebhook": (
        {"url": _text(2048)},
        {"secret_token": _text(256), "allowed_updates": _json(list)},
    ),
    "deleteWebhook": ({}, {"drop_pending_updates": _boolean}),
    "getFile": ({"file_id": _text(256)}, {}),
    "sendChatAction": ({**_CHAT, "action": _one_of(*_ACTIONS)}, _TOPIC),
    "sendMessage": (
        {**_CHAT, "text": _text(4096)},
        {**_TOPIC, "reply_markup": _keyboard, "reply_parameters": _json(dict)},
    ),
    "editMessageText": (
        {**_CHAT, "message_id": _integer, "text": _text(4096)},
        {"reply_markup": _keyboard},
    ),
    "sendVoice": (
        {**_CHAT, "voice": _upload},
        {
            **_TOPIC,
            "caption": _text(1024),
            "duration": _integer,
            "reply_markup": _keyboard,
            "reply_parameters": _json(dict),
        },
    ),
    "sendMessageDraft": (
        {**_CHAT, "draft_id": lambda value: _integer(value) and value != "0"},
        {**_TOPIC, "text": _text(4096, 0), "can_stop": _boolean},
    ),
    "answerCallbackQuery": ({"callback_query_id": _text(64)}, {"text": _text(200)}),
}
"""By method: the fields that must be there, and those that may be."""


def fault_of(method: str, given: Mapping[str, Any]) -> str:
    """Return what is wrong with a call; empty if nothing is."""
    if method not in METHODS:
        return f"no such method: {method}"
    required, optional = METHODS[method]
    known = {**required, **optional}
    if missing := required.keys() - given.keys():
        return f"{method}: {sorted(missing)} missing"
    if unknown := given.keys() - known.keys():
        return f"{method}: {sorted(unknown)} unknown"
    wrong = sorted(name for name, value in given.items() if not known[name](value))
    return f"{method}: {wrong} of the wrong form" if wrong else ""
