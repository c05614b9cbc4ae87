"""What the methods do to the server's state, and what they answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.bridges.telegram.bot_api.accounts import Account
    from tests.bridges.telegram.bot_api.server import BotApi


class Refusal(Exception):
    """Raised when a call has the right form and cannot be done."""


def perform(api: BotApi, account: Account, method: str, given: dict[str, Any]) -> tuple[Any, int]:
    """Do it; return the result, and the number of the message that it made.

    Raises:
        Refusal: It cannot be done.
    """
    match method:
        case "getMe":
            return me(account), 0
        case "getFile":
            return _file(api, given["file_id"]), 0
        case "setWebhook" | "deleteWebhook":
            account.webhook = {n: str(v) for n, v in given.items()} if "url" in given else {}
        case "sendMessage" | "sendVoice":
            account.next_message += 1
            return sent(account, account.next_message, given), account.next_message
        case "editMessageText":
            number = int(given["message_id"])
            _expect_news(api, account, number, given)
            return sent(account, number, given), number
    return True, 0


def _file(api: BotApi, name: str) -> dict[str, Any]:
    if name not in api.files:
        raise Refusal("wrong file_id or the file is temporarily unavailable")
    found = {"file_id": name, "file_unique_id": name, "file_path": f"voice/{name}"}
    return {**found, "file_size": len(api.files[name])}


def _expect_news(api: BotApi, account: Account, number: int, given: dict[str, Any]) -> None:
    before = [c for c in api.calls if c.message == number and c.bot == account.id]
    if not before or number in account.deleted:
        raise Refusal("message to edit not found")
    if all(before[-1].given.get(n) == given.get(n) for n in ("text", "reply_markup")):
        raise Refusal("message is not modified")


def me(account: Account) -> dict[str, Any]:
    """Return the bot as a user."""
    return {
        "id": account.id,
        "is_bot": True,
        "first_name": "Bot",
        "username": account.username,
    }


def sent(account: Account, number: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return a message of the bot's."""
    chat = int(given["chat_id"])
    kind = {"type": "private"} if chat > 0 else {"type": "supergroup", "title": "Group"}
    message: dict[str, Any] = {
        "message_id": number,
        "date": int(time.time()),  # noqa: TID251 - a date
        "chat": {"id": chat, **kind},
        "from": me(account),
    }
    if "text" in given:
        message["text"] = given["text"]
    if "voice" in given:
        duration = int(given.get("duration", 1))
        file = {"file_id": f"sent{number}", "file_unique_id": f"sent{number}"}
        message["voice"] = {**file, "duration": duration}
        if "caption" in given:
            message["caption"] = given["caption"]
    if "reply_markup" in given:
        message["reply_markup"] = json.loads(given["reply_markup"])
    return message
