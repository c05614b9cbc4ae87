"""The subjects of what a bridge to Telegram keeps."""

from __future__ import annotations

from schemas.event import Event
from schemas.telegram import BotOwned, ChatKept, UpdateAccepted
from subjects.catalog import CATALOG


def owner_subject(cell: str, bot: int) -> str:
    """Return the subject of who answers for a bot."""
    return _subject(BotOwned, cell, bot)


def update_subject(cell: str, bot: int, update: int) -> str:
    """Return the subject of what becomes of an update."""
    return _subject(UpdateAccepted, cell, bot, str(update))


def updates(cell: str, bot: int) -> str:
    """Return the wildcard of all updates of a bot."""
    return _subject(UpdateAccepted, cell, bot, "*")


def chat_subject(cell: str, bot: int, chat: int, topic: int = 0) -> str:
    """Return the subject of what was chosen in a chat, or in one of its topics."""
    return _subject(ChatKept, cell, bot, f"{chat}_{topic}" if topic else str(chat))


def _subject(kind: type[Event], cell: str, bot: int, item: str = "") -> str:
    return CATALOG[kind].pattern.format(cell=cell, bot=bot, item=item)
