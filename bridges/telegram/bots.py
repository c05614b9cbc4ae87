"""The bots: what each of them is like, and the file that says so. Pure but for reading it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from bridges.telegram.settings import TelegramSettings
from schemas.settings import Language, Name
from schemas.settings import Persona as PersonaName
from voicebus import toml_file
from voicebus.errors import ConfigError

Answers = Literal["text", "voice", "both", "same"]
"""How a bot answers: ``same`` speaks to who has spoken and writes to who has written."""

Instructions = Annotated[str, Meta(max_length=8_000)]

_TOKEN: Final = re.compile(r"([0-9]{1,20}):[A-Za-z0-9_-]{20,64}")
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Llm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the language model answers; what is not said is the workers' default.

    Fields
        model: Its name.
        temperature: Sampling temperature.
        max_tokens: Upper bound of each reply.
    """

    model: str = ""
    temperature: Annotated[float, Meta(le=2.0)] = -1.0
    max_tokens: Annotated[int, Meta(ge=0)] = 0


class Persona(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody whom a chat may choose to talk with.

    Fields
        persona: Who answers, of those that the fleet knows by their names.
        instructions: System prompt, beside that persona's or instead of it.
        voice: Voice of the answers; empty for the persona's or the bot's.
    """

    persona: PersonaName = ""
    instructions: Instructions = ""
    voice: Name = ""


class BotConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bot.

    Fields
        token: As BotFather gave it.
        token_file: File that holds the token, instead.
        updates: ``polling`` asks Telegram for them, ``webhook`` has them sent.
        persona: Who answers, of those that the fleet knows by their names; empty: nobody in
            particular.
        instructions: System prompt; empty for the persona's, or else the workers' default.
        voice: Voice of the answers; empty for the workers' default.
        language: What is spoken with it, ISO 639-1; empty: detected in each message.
        answers: How it answers, where a chat has not chosen.
        welcome: Said at /start, besides what can be done; empty for nothing.
        allow: Numbers of the people and chats that may use it; empty: everybody.
        llm: How the language model answers.
        personas: Whom else a chat may choose.
    """

    token: str = ""
    token_file: str = ""
    updates: Literal["polling", "webhook"] = "polling"
    persona: PersonaName = ""
    instructions: Instructions = ""
    voice: Name = ""
    language: Language = ""
    answers: Answers = "same"
    welcome: Annotated[str, Meta(max_length=1_000)] = ""
    allow: tuple[int, ...] = ()
    llm: Llm = Llm()
    personas: dict[str, Persona] = {}

    @property
    def id(self) -> int:
        """Telegram's number of the bot."""
        return int(self.token.partition(":")[0])

    @property
    def secret(self) -> str:
        """What Telegram says with each update that it sends: made of the token, never stored."""
        return hashlib.sha256(f"voicebus webhook {self.token}".encode()).hexdigest()

    def admits(self, *numbers: int) -> bool:
        """Say whether one of these people and chats may use it."""
        return not self.allow or not set(self.allow).isdisjoint(numbers)


Bots = Mapping[str, BotConfig]
"""By the names that the file has for them."""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    bots: dict[str, BotConfig]


def configured(settings: TelegramSettings) -> Bots:
    """Return the bots that the settings name.

    Raises:
        ConfigError: There are none, or one of them is not as it must be.
    """
    if settings.bots_file:
        return read(file_of(settings), settings)
    if not settings.token:
        raise ConfigError("set VOICEBUS_TELEGRAM_TOKEN, or VOICEBUS_TELEGRAM_BOTS_FILE")
    return _checked({"bot": BotConfig(token=settings.token)}, settings, "VOICEBUS_TELEGRAM_TOKEN")


def file_of(settings: TelegramSettings) -> Path:
    """Return the file of the bots that the settings name."""
    return Path(settings.bots_file).expanduser()


def read(path: Path, settings: TelegramSettings) -> Bots:
    """Read the file of the bots.

    Raises:
        ConfigError: It cannot be read, or a bot in it is not as it must be. Shows no token.
    """
    file = toml_file.read(path, _File, "the bots")
    bots = {name: _with_token(path, name, bot) for name, bot in file.bots.items()}
    return _checked(bots, settings, str(path))


def stamp(path: Path, bots: Iterable[BotConfig]) -> tuple[tuple[int, ...], ...]:
    """Return what changes when the file does, or a file in which one of these bots has its token.

    Args:
        path: The file.
        bots: Those that it names, as far as that is known.
    """
    tokens = sorted({bot.token_file for bot in bots if bot.token_file})
    return tuple(_stamp(path.parent / name) for name in (path.name, *tokens))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does; empty while it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path's own also raises for what a name may be
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _with_token(path: Path, name: str, bot: BotConfig) -> BotConfig:
    if not bot.token_file:
        return bot
    if bot.token:
        raise ConfigError(f"{path}: bot {name} has a token and a token_file: one is enough")
    try:
        token = (path.parent / bot.token_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: the token of bot {name} cannot be read: {err}") from err
    return msgspec.structs.replace(bot, token=token)


def _checked(bots: dict[str, BotConfig], settings: TelegramSettings, where: str) -> Bots:
    for name, bot in bots.items():
        if _TOKEN.fullmatch(bot.token) is None:
            raise ConfigError(
                f"{where}: the token of bot {name} is none: BotFather's have a number, a colon and "
                "some 35 letters, digits, - and _"
            )
        if bot.updates == "webhook" and not settings.webhook_url:
            raise ConfigError(
                f"{where}: bot {name} has its updates sent: set VOICEBUS_TELEGRAM_WEBHOOK_URL"
            )
        for label in bot.personas:
            if _LABEL.fullmatch(label) is None:
                raise ConfigError(
                    f"{where}: persona {label!r} of bot {name}: at most 32 letters, digits, -, _"
                )
    if len({bot.id for bot in bots.values()}) < len(bots):
        raise ConfigError(f"{where}: two bots have the same token")
    return bots
