"""What somebody wants of the bot, read from an update. Pure."""

from __future__ import annotations

import re
from typing import Final

from aiogram.types import CallbackQuery, Message, Update
from msgspec import Struct

from bridges.telegram.chats import Room

COMMANDS: Final = (
    *("start", "help", "reset", "voice", "language", "settings"),
    *("link", "forget", "stop", "retry", "persona"),
)

_TEXT_LIMIT: Final = 8_000


class Whence(Struct, frozen=True, kw_only=True):
    """Who said it, and where.

    Fields
        room: Chat and topic.
        is_private: Whether nobody else is in the chat.
        user: Telegram's number of the person.
        language: Their program's language, as Telegram tells it; may be empty.
        message: Number of the message that is answered; 0 for none.
    """

    room: Room
    is_private: bool
    user: int
    language: str = ""
    message: int = 0


class Words(Struct, frozen=True):
    """Somebody wrote.

    Fields
        text: What.
    """

    text: str


class Recording(Struct, frozen=True, kw_only=True):
    """Somebody spoke.

    Fields
        file: By which the Bot API gives it out.
        seconds: How long it is, as Telegram says; 0 when it does not.
        size_bytes: How large it is, as Telegram says; 0 when it does not.
    """

    file: str
    seconds: float = 0.0
    size_bytes: int = 0


class Command(Struct, frozen=True):
    """One of :data:`COMMANDS`.

    Fields
        name: Which one.
        argument: What stands behind it.
    """

    name: str
    argument: str = ""


class Pressed(Struct, frozen=True, kw_only=True):
    """A button under one of the bot's messages.

    Fields
        query: By which it is acknowledged.
        data: What the button says.
        message: Number of the message that it stands under; 0 where that is too old.
        text: What that message says.
    """

    query: str
    data: str
    message: int = 0
    text: str = ""


class Halted(Struct, frozen=True):
    """The button of a draft that stops it."""


class Moved(Struct, frozen=True):
    """A group has become a supergroup: the same people, by another number.

    Fields
        chat: Number of the group.
    """

    chat: int


class Unknown(Struct, frozen=True):
    """Something to which there is no answer but that: a picture or a sticker."""


Wish = Words | Recording | Command | Pressed | Halted | Moved | Unknown


def wish_of(update: Update, bot: int, username: str) -> tuple[Whence, Wish] | None:
    """Return who wants what; None for what is none of the bot's business.

    Args:
        update: What Telegram sent.
        bot: The bot's number.
        username: The bot's name, without the @.
    """
    if update.message is not None:
        return _of_message(update.message, bot, username)
    if update.callback_query is not None:
        return _of_button(update.callback_query)
    stopped = update.stopped_message_generation
    if stopped is not None:
        room = (stopped.chat.id, stopped.message_thread_id or 0)
        return Whence(room=room, is_private=True, user=stopped.chat.id), Halted()
    return None


def _of_message(message: Message, bot: int, username: str) -> tuple[Whence, Wish] | None:
    if message.migrate_from_chat_id is not None:
        room = (message.chat.id, 0)
        return Whence(room=room, is_private=False, user=0), Moved(message.migrate_from_chat_id)
    sender = message.from_user
    if sender is None or sender.is_bot:
        return None
    topic = message.message_thread_id if message.is_topic_message else None
    whence = Whence(
        room=(message.chat.id, topic or 0),
        is_private=message.chat.type == "private",
        user=sender.id,
        language=sender.language_code or "",
        message=message.message_id,
    )
    text = message.text or ""
    if text.startswith("/"):
        command = _command(text, username)
        if command is not None or not whence.is_private:
            return None if command is None else (whence, command)
    written = text or message.caption or ""
    said = _without(written, username)
    is_named = said != written or _names(message, bot)
    if not (is_named or whence.is_private or _is_reply(message, bot)):
        return None
    if text:
        return (whence, Words(said[:_TEXT_LIMIT])) if said.strip() else None
    return whence, _recording(message) or Unknown()


def _of_button(query: CallbackQuery) -> tuple[Whence, Wish] | None:
    message = query.message
    if message is None or query.data is None:
        return None
    topic = message.message_thread_id if isinstance(message, Message) else None
    is_topic = isinstance(message, Message) and bool(message.is_topic_message)
    whence = Whence(
        room=(message.chat.id, topic or 0 if is_topic else 0),
        is_private=message.chat.type == "private",
        user=query.from_user.id,
        language=query.from_user.language_code or "",
    )
    text = (message.text or message.caption or "") if isinstance(message, Message) else ""
    return whence, Pressed(query=query.id, data=query.data, message=message.message_id, text=text)


def _command(text: str, username: str) -> Command | None:
    head, *argument = re.split(r"\s", text[1:], maxsplit=1)
    name, _, addressed = head.partition("@")
    if addressed and addressed.lower() != username.lower():
        return None
    name = name.lower()
    return Command(name, "".join(argument).strip()) if name in COMMANDS else None


def _is_reply(message: Message, bot: int) -> bool:
    replied = message.reply_to_message
    return replied is not None and replied.from_user is not None and replied.from_user.id == bot


def _names(message: Message, bot: int) -> bool:
    """Whether the bot is mentioned by a link to it instead of by its name."""
    entities = message.entities or message.caption_entities or ()
    return any(entity.user is not None and entity.user.id == bot for entity in entities)


def _without(text: str, username: str) -> str:
    """Return the text without the mentions of the bot, which are not meant for the model."""
    if not username:
        return text
    mention = rf"[(\[]?(?<![\w@])@{re.escape(username)}(?!\w)[)\],.:;!?]*[ \t]*"
    kept, count = re.subn(mention, "", text, flags=re.IGNORECASE)
    return kept.strip() if count else text


def _recording(message: Message) -> Recording | None:
    found = message.voice or message.audio or message.video_note
    if found is not None:
        return Recording(
            file=found.file_id, seconds=found.duration or 0, size_bytes=found.file_size or 0
        )
    document = message.document
    if document is not None and (document.mime_type or "").startswith("audio/"):
        return Recording(file=document.file_id, size_bytes=document.file_size or 0)
    return None
