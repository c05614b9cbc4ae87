"""What the bridge says, and its buttons."""

from __future__ import annotations

import re

import pytest

from bridges.telegram import menus
from bridges.telegram.bots import BotConfig, Persona
from bridges.telegram.incoming import COMMANDS
from bridges.telegram.texts import COMMANDS as MENU
from bridges.telegram.texts import TEXTS, error_text, text_of
from schemas.telegram import ChatKept

BOT = BotConfig(token="1:A", personas={"sailor": Persona(instructions="You sail.")})


def test_every_language_says_everything() -> None:
    """With the same values in it."""
    fields = {
        language: {name: sorted(re.findall(r"{(\w+)}", text)) for name, text in texts.items()}
        for language, texts in TEXTS.items()
    }

    assert fields["ru"] == fields["en"]
    assert MENU["ru"].keys() == MENU["en"].keys() <= set(COMMANDS)


def test_an_unknown_language_is_answered_in_english() -> None:
    """And a regional one in its language."""
    assert text_of("speak", "tlh") == TEXTS["en"]["speak"]
    assert text_of("speak", "ru-RU") == TEXTS["ru"]["speak"]


def test_an_error_has_words_whatever_it_is() -> None:
    """One that nobody foresaw says so."""
    assert error_text("no_worker", "en") == TEXTS["en"]["error_busy"]
    assert error_text("strange", "en") == TEXTS["en"]["error"]
    assert "300" in error_text("audio_too_long", "en", seconds=300, megabytes=20)


@pytest.mark.parametrize(
    ("data", "field", "value"),
    [
        ("a:both", "answers", "both"),
        ("v:en_US-joe-medium", "voice", "en_US-joe-medium"),
        ("v:", "voice", ""),
        ("l:ru", "language", "ru"),
        ("p:sailor", "persona", "sailor"),
    ],
)
def test_a_choice_is_kept(data: str, field: str, value: str) -> None:
    """What a button says is what the chat goes on with."""
    kept = menus.chosen(ChatKept(conversation="c"), data, BOT)

    assert kept is not None
    assert getattr(kept, field) == value
    assert kept.conversation == "c"


@pytest.mark.parametrize("data", ["a:loud", "l:xx", "p:pirate", "x:1", "", "a"])
def test_what_no_button_says_is_not_kept(data: str) -> None:
    """Old messages have old buttons, and their data is not to be trusted."""
    assert menus.chosen(ChatKept(), data, BOT) is None


def test_no_button_says_more_than_it_may() -> None:
    """64 bytes: a voice of a longer name is not offered."""
    markup = menus.of_voices(["a" * 64, "joe"], "en")

    data = [b.callback_data for row in markup.inline_keyboard for b in row]
    assert data == ["v:", "v:joe"]
