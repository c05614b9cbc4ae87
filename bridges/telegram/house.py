"""What all rooms of one bot share."""

from __future__ import annotations

import time
from typing import Final

from msgspec import Struct

from bridges.telegram.api import Api, bot_of
from bridges.telegram.bots import BotConfig, Persona
from bridges.telegram.chats import Chats, Room
from bridges.telegram.settings import TelegramSettings
from bridges.telegram.turn import Turns
from bridges.telegram.updates import Updates
from schemas.conversation import Join
from schemas.settings import SessionSettings
from schemas.telegram import ChatKept
from voicebus.bus.client import Bus
from voicebus.conversations import own, owner
from voicebus.fleet import Fleet
from voicebus.guesses import Guesses

CHANNEL: Final = "telegram"


class Common(Struct, frozen=True, kw_only=True):
    """What all bots of a process share.

    Fields
        bus: The connection.
        process: This process, by a name that no other process has or has had.
        turns: Asks the fleet.
        fleet: Says which voices there are.
        settings: Limits.
    """

    bus: Bus
    process: str
    turns: Turns
    fleet: Fleet
    settings: TelegramSettings


class House:
    """One bot, in the process that answers for it.

    Args:
        config: What the bot is like.
        common: What it shares with others.

    Attributes:
        config: What the bot is like; may be replaced by one with the same token.
        username: Its name, without the @; empty until Telegram has said it.
        api: Its calls.
        updates: What becomes of its updates.
        chats: What was chosen in its chats.
    """

    def __init__(self, config: BotConfig, common: Common) -> None:
        self.config = config
        self.username = ""
        self.settings: Final = common.settings
        self.turns: Final = common.turns
        self.fleet: Final = common.fleet
        bot = bot_of(config.token, common.settings.api_url)
        self.api: Final = Api(bot, common.settings.deliver_s)
        self.updates: Final = Updates(common.bus, config.id, common.process)
        self.chats: Final = Chats(common.bus, config.id)
        self._codes = Guesses(common.settings.codes_per_min)

    def owner(self, room: Room) -> str:
        """Return by what a room is known as the owner of conversations."""
        return owner(CHANNEL, f"{self.config.id}:{room[0]}:{room[1]}")

    def join(self, room: Room, kept: ChatKept) -> Join:
        """Return which conversation a room goes on with, or begins."""
        mine = self.owner(room)
        if kept.conversation:
            return Join(owner=mine, conversation=kept.conversation, begins=True)
        return own(self.config.token, mine)

    def session_settings(self, kept: ChatKept) -> SessionSettings:
        """Return how sessions of a room are to be."""
        config = self.config
        # Who is chosen in the chat is somebody else: nothing of the bot's own persona is left.
        own = Persona(persona=config.persona, instructions=config.instructions)
        persona = config.personas.get(kept.persona, own)
        return SessionSettings(
            persona=persona.persona,
            language=kept.language or config.language,
            instructions=persona.instructions,
            voice=kept.voice or persona.voice or config.voice,
            turn_taking="manual",
        )

    def try_code(self, room: Room) -> None:
        """Count that a link code is tried.

        Raises:
            LimitReached: ``too_many_codes``.
        """
        self._codes.take(self.owner(room), time.monotonic())


def forms(kept: ChatKept, config: BotConfig, *, was_spoken: bool) -> tuple[bool, bool]:
    """Say whether an answer is written, and whether it is spoken.

    Args:
        kept: What the chat chose.
        config: The bot, for a chat that chose nothing.
        was_spoken: Whether the question was.
    """
    match kept.answers or config.answers:
        case "text":
            return (True, False)
        case "voice":
            return (False, True)
        case "both":
            return (True, True)
    return (not was_spoken, was_spoken)
