"""What is wanted of a bot, read from what Telegram sends."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram.types import Update

from bridges.telegram.incoming import (
    Command,
    Halted,
    Moved,
    Pressed,
    Recording,
    Unknown,
    Words,
    wish_of,
)

BOT = {"id": 77, "is_bot": True, "first_name": "Bot", "username": "sea_bot"}
ANN = {"id": 5, "is_bot": False, "first_name": "Ann", "language_code": "ru"}
PRIVATE = {"id": 5, "type": "private", "first_name": "Ann"}
GROUP = {"id": -9, "type": "supergroup", "title": "Group"}


def update(chat: dict[str, Any], **content: Any) -> Update:
    """An update with a message."""
    message = {"message_id": 3, "date": 0, "chat": chat, "from": ANN, **content}
    return Update.model_validate({"update_id": 1, "message": message})


def wish(chat: dict[str, Any], **content: Any) -> object:
    """What a message wants."""
    found = wish_of(update(chat, **content), 77, "sea_bot")
    return None if found is None else found[1]


REPLIED = {"message_id": 2, "date": 0, "chat": GROUP, "from": BOT, "text": "Well"}
NAMED = [{"type": "text_mention", "offset": 0, "length": 6, "user": BOT}]
VOICE = {"file_id": "f", "file_unique_id": "f", "duration": 3, "file_size": 900}


@pytest.mark.parametrize(
    ("chat", "content", "wanted"),
    [
        (PRIVATE, {"text": "hello"}, Words("hello")),
        (PRIVATE, {"text": "/voice"}, Command("voice")),
        (PRIVATE, {"text": "/start K7QF-3MXZ"}, Command("start", "K7QF-3MXZ")),
        (PRIVATE, {"text": "/link\nK7QF-3MXZ"}, Command("link", "K7QF-3MXZ")),
        (PRIVATE, {"text": "/unknown thing"}, Words("/unknown thing")),
        (PRIVATE, {"voice": VOICE}, Recording(file="f", seconds=3, size_bytes=900)),
        (PRIVATE, {"dice": {"emoji": "🎲", "value": 3}}, Unknown()),
        (GROUP, {"text": "hello"}, None),
        (GROUP, {"text": "hello @sea_bot"}, Words("hello")),
        (GROUP, {"text": "@Sea_Bot, hello"}, Words("hello")),
        (GROUP, {"text": "@sea_bot"}, None),
        (GROUP, {"text": "@sea_bots hello"}, None),
        (GROUP, {"text": "ann@sea_bot hello"}, None),
        (GROUP, {"text": "@sea_bot\nhello"}, Words("hello")),
        (GROUP, {"text": "hello\n@sea_bot"}, Words("hello")),
        (GROUP, {"text": "hello\tthere,@sea_bot!"}, Words("hello\tthere,")),
        (GROUP, {"text": "do you (@sea_bot) know?"}, Words("do you know?")),
        (GROUP, {"text": "my bot, hello", "entities": NAMED}, Words("my bot, hello")),
        (GROUP, {"text": "hello", "reply_to_message": REPLIED}, Words("hello")),
        (GROUP, {"text": "/help"}, Command("help")),
        (GROUP, {"text": "/help@sea_bot"}, Command("help")),
        (GROUP, {"text": "/help@other_bot"}, None),
        (GROUP, {"voice": VOICE}, None),
        (GROUP, {"voice": VOICE, "caption": "listen"}, None),
        (
            GROUP,
            {"voice": VOICE, "caption": "for\n@sea_bot"},
            Recording(file="f", seconds=3, size_bytes=900),
        ),
        (
            GROUP,
            {"voice": VOICE, "caption": "my bot", "caption_entities": NAMED},
            Recording(file="f", seconds=3, size_bytes=900),
        ),
        (
            GROUP,
            {"voice": VOICE, "reply_to_message": REPLIED},
            Recording(file="f", seconds=3, size_bytes=900),
        ),
    ],
)
def test_a_message_wants(chat: dict[str, Any], content: dict[str, Any], wanted: object) -> None:
    """In private everything is meant for the bot; in a group what names or answers it."""
    assert wish(chat, **content) == wanted


def test_a_topic_is_a_room_of_its_own() -> None:
    """Its messages are answered there."""
    found = wish_of(
        update(GROUP, text="@sea_bot hi", message_thread_id=4, is_topic_message=True), 77, "sea_bot"
    )

    assert found is not None
    assert found[0].room == (-9, 4)
    assert found[0].language == "ru"


def test_a_group_with_a_new_number_has_moved() -> None:
    """Whoever has done it, a bot among them; what is said in the old one is nothing."""
    assert wish(GROUP, migrate_from_chat_id=-5, **{"from": BOT}) == Moved(-5)
    assert wish(GROUP, migrate_to_chat_id=-5) is None


def test_another_bot_is_not_answered() -> None:
    """Two bots would talk for ever."""
    assert wish(PRIVATE, text="hello", **{"from": BOT}) is None


def test_buttons_and_stops_are_wishes() -> None:
    """With what the message says under which they stand."""
    message = {"message_id": 8, "date": 0, "chat": PRIVATE, "text": "Well"}
    query = {"id": "q", "from": ANN, "chat_instance": "1", "data": "speak", "message": message}
    pressed = wish_of(Update.model_validate({"update_id": 1, "callback_query": query}), 77, "b")
    stopped = {"chat": PRIVATE, "draft_id": 4}
    halted = wish_of(
        Update.model_validate({"update_id": 2, "stopped_message_generation": stopped}), 77, "b"
    )

    assert pressed is not None
    assert pressed[1] == Pressed(query="q", data="speak", message=8, text="Well")
    assert halted is not None
    assert halted == (halted[0], Halted())
    assert halted[0].room == (5, 0)
