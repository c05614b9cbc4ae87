"""The buttons under messages, and what they say when they are pressed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bridges.telegram.bots import BotConfig
from bridges.telegram.texts import text_of
from schemas.telegram import ChatKept

SPEAK: Final = "speak"
STOP: Final = "stop"
RETRY: Final = "retry"

ANSWERS: Final = ("same", "text", "voice", "both")
LANGUAGES: Final = (("en", "English"), ("ru", "Русский"), ("de", "Deutsch"), ("fr", "Français"))

_DATA_BYTES: Final = 64
"""What a button may say at the most."""

_MOST: Final = 24
"""More voices or personas than these are no menu any more."""


def under_answer(language: str, *, spoken: bool) -> InlineKeyboardMarkup:
    """Return the buttons under an answer.

    Args:
        language: Of the buttons.
        spoken: Whether the answer is a voice message.
    """
    again = _button(text_of("retry", language), RETRY)
    speak = () if spoken else (_button(text_of("speak", language), SPEAK),)
    return _rows([(*speak, again)])


def under_beginning(language: str) -> InlineKeyboardMarkup:
    """Return the button under an answer that is still written."""
    return _rows([(_button(text_of("stop", language), STOP),)])


def again(language: str) -> InlineKeyboardMarkup:
    """Return the button under what went wrong."""
    return _rows([(_button(text_of("retry", language), RETRY),)])


def of_answers(language: str) -> InlineKeyboardMarkup:
    """Return the ways of answering, and the way to the voices."""
    rows = [(_button(text_of(f"answers_{way}", language), f"a:{way}"),) for way in ANSWERS]
    return _rows([*rows, (_button(text_of("voice", language), "m:voices"),)])


def of_voices(voices: Iterable[str], language: str) -> InlineKeyboardMarkup:
    """Return the voices that can be had."""
    return _choices("v", ((voice, voice) for voice in voices), text_of("voice_default", language))


def of_languages(language: str) -> InlineKeyboardMarkup:
    """Return the languages."""
    return _choices("l", LANGUAGES, text_of("language_any", language))


def of_personas(bot: BotConfig, language: str) -> InlineKeyboardMarkup:
    """Return whom a bot can be."""
    named = ((name, name) for name in bot.personas)
    return _choices("p", named, text_of("persona_default", language))


def of_settings(bot: BotConfig, language: str) -> InlineKeyboardMarkup:
    """Return the way to each of the choices."""
    persona = (_button(text_of("persona", language), "m:personas"),) if bot.personas else ()
    first = (
        _button(text_of("voice", language), "m:answers"),
        _button(text_of("language", language), "m:languages"),
    )
    return _rows([first, persona] if persona else [first])


def chosen(kept: ChatKept, data: str, bot: BotConfig) -> ChatKept | None:
    """Return what is kept of a chat after a choice; None where a button offers what is not there.

    Args:
        kept: What was kept before.
        data: What the button says.
        bot: The bot.
    """
    kind, _, value = data.partition(":")
    match kind:
        case "a" if value in ANSWERS:
            return msgspec.structs.replace(kept, answers=value)
        case "v":
            return msgspec.structs.replace(kept, voice=value)
        case "l" if not value or value in dict(LANGUAGES):
            return msgspec.structs.replace(kept, language=value)
        case "p" if not value or value in bot.personas:
            return msgspec.structs.replace(kept, persona=value, voice="")
    return None


def _choices(kind: str, named: Iterable[tuple[str, str]], default: str) -> InlineKeyboardMarkup:
    buttons = [(_button(default, f"{kind}:"),)]
    for value, name in named:
        if len(f"{kind}:{value}".encode()) <= _DATA_BYTES and len(buttons) <= _MOST:
            buttons.append((_button(name, f"{kind}:{value}"),))
    return _rows(buttons)


def _button(text: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=text, callback_data=data)


def _rows(rows: Iterable[tuple[InlineKeyboardButton, ...]]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[list(row) for row in rows])
