"""Those who talk with a bot: what they do becomes updates, and what they see is read back."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from tests.bridges.telegram.bot_api.accounts import Call
from tests.bridges.telegram.bot_api.server import BotApi

SHOWN: Final = ("sendMessage", "sendVoice", "editMessageText")
LIMIT_S: Final = 60.0


class Person:
    """Somebody in a chat with a bot.

    Args:
        api: The server.
        bot: The bot's number.
        number: The person's; it is that of the private chat, too.
        group: The chat, if it is a group; negative.
        topic: The topic in it.
        language: Of the person's program.
    """

    def __init__(
        self,
        api: BotApi,
        bot: int,
        number: int,
        *,
        group: int = 0,
        topic: int = 0,
        language: str = "en",
    ) -> None:
        self._api = api
        self._bot = bot
        self._number = number
        self.chat = group or number
        self._topic = topic
        self._language = language
        self._messages = 0
        self._since = len(api.calls)

    def write(self, text: str, **fields: Any) -> int:
        """Write a message; return the update's number."""
        return self._say({"text": text, **fields})

    def record(self, ogg: bytes, seconds: float, kind: str = "voice", **fields: Any) -> int:
        """Send a recording; return the update's number."""
        name = f"f{self._number}x{self._messages}"
        self._api.files[name] = ogg
        told = {
            "file_id": name,
            "file_unique_id": name,
            "duration": round(seconds),
            "file_size": len(ogg),
        }
        if kind == "video_note":
            told["length"] = 240
        return self._say({kind: {**told, **fields}})

    def send(self, **content: Any) -> int:
        """Send something else; return the update's number."""
        return self._say(content)

    def press(self, data: str, message: Call) -> int:
        """Press a button under one of the bot's messages; return the update's number."""
        buttons = json.loads(message.given["reply_markup"])["inline_keyboard"]
        assert data in [button["callback_data"] for row in buttons for button in row]
        shown = {"message_id": message.message, "date": _now(), "chat": self._chat()}
        if "text" in message.given:
            shown["text"] = message.given["text"]
        if "caption" in message.given:
            shown["caption"] = message.given["caption"]
        if self._topic:
            shown |= {"message_thread_id": self._topic, "is_topic_message": True}
        query = {
            "id": f"q{self._api.next_update}",
            "from": self._user(),
            "chat_instance": "1",
            "data": data,
            "message": shown,
        }
        return self._api.push(self._bot, {"callback_query": query})

    def halt(self, draft: int) -> int:
        """Press the button of a draft that stops it; return the update's number."""
        stopped = {"chat": self._chat(), "draft_id": draft}
        return self._api.push(self._bot, {"stopped_message_generation": stopped})

    def delete(self, message: Call) -> None:
        """Delete one of the bot's messages, as who runs a group may."""
        self._api.accounts[self._bot].deleted.add(message.message)

    def upgrade(self, supergroup: int) -> None:
        """Have the group become a supergroup; what is sent to it comes nowhere."""
        self._api.accounts[self._bot].moved[self.chat] = supergroup

    def calls(self, *methods: str) -> list[Call]:
        """Return what the bot did in this chat since the person came."""
        return [
            call
            for call in self._api.calls[self._since :]
            if call.bot == self._bot
            and int(call.given.get("chat_id", 0)) == self.chat
            and (not methods or call.method in methods)
        ]

    def seen(self) -> list[Call]:
        """Return the messages as they are shown now, each once, and none that was deleted."""
        shown: dict[int, Call] = {}
        for call in self.calls(*SHOWN):
            shown[call.message] = call
        deleted = self._api.accounts[self._bot].deleted
        return [call for number, call in shown.items() if number not in deleted]

    def until_seen(self, count: int = 1, within_s: float = LIMIT_S) -> list[Call]:
        """Wait until so many messages of the bot stand in the chat, and no answer is unfinished."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            seen = self.seen()
            if len(seen) >= count and not any(_is_unfinished(call) for call in seen):
                return seen
            time.sleep(0.02)
        told = [(c.method, c.given.get("text", "")) for c in self.calls()]
        raise AssertionError(f"not {count} messages in {self.chat}: {told}")

    def until(self, method: str, count: int = 1, within_s: float = LIMIT_S) -> list[Call]:
        """Wait for so many calls of a method."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            if len(found := self.calls(method)) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"not {count} of {method}: {[c.method for c in self.calls()]}")

    def _say(self, content: dict[str, Any]) -> int:
        self._messages += 1
        message: dict[str, Any] = {
            "message_id": self._messages,
            "date": _now(),
            "chat": self._chat(),
            "from": self._user(),
            **content,
        }
        if self._topic:
            message |= {"message_thread_id": self._topic, "is_topic_message": True}
        return self._api.push(self._bot, {"message": message})

    def _chat(self) -> dict[str, Any]:
        if self.chat > 0:
            return {"id": self.chat, "type": "private", "first_name": "Ann"}
        return {"id": self.chat, "type": "supergroup", "title": "Group"}

    def _user(self) -> dict[str, Any]:
        named = {"first_name": "Ann", "language_code": self._language}
        return {"id": self._number, "is_bot": False, **named}


def _is_unfinished(call: Call) -> bool:
    """Whether a message has the button of an answer that is still written."""
    return '"stop"' in call.given.get("reply_markup", "")


def _now() -> int:
    return int(time.time())  # noqa: TID251 - a date
