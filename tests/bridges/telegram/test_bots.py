"""The file of the bots."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridges.telegram.bots import BotConfig, configured, read, stamp
from bridges.telegram.house import forms
from bridges.telegram.settings import TelegramSettings
from schemas.telegram import ChatKept
from voicebus.errors import ConfigError

TOKEN = f"123456:{'A' * 35}"
SETTINGS = TelegramSettings()

WHOLE = f"""
[bots.pilot]
token = "{TOKEN}"
instructions = "You are a pilot."
voice = "en_US-joe-medium"
language = "en"
answers = "both"
allow = [5, -9]

[bots.pilot.llm]
model = "smollm2"
temperature = 0.2
max_tokens = 64

[bots.pilot.personas.sailor]
instructions = "You are a sailor."
"""


def written(folder: Path, text: str) -> Path:
    """A file with this text."""
    path = folder / "bots.toml"
    path.write_text(text)
    return path


def test_a_bot_is_as_the_file_says(tmp_path: Path) -> None:
    """Persona, voice, language, who may use it, and the language model."""
    bot = read(written(tmp_path, WHOLE), SETTINGS)["pilot"]

    assert (bot.id, bot.voice, bot.language, bot.answers) == (
        123456,
        "en_US-joe-medium",
        "en",
        "both",
    )
    assert (bot.llm.model, bot.llm.temperature, bot.llm.max_tokens) == ("smollm2", 0.2, 64)
    assert bot.personas["sailor"].instructions == "You are a sailor."
    assert [bot.admits(5, 5), bot.admits(6, -9), bot.admits(6, 6)] == [True, True, False]


def test_a_token_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Beside the file of the bots."""
    (tmp_path / "pilot.token").write_text(TOKEN + "\n")

    bots = read(written(tmp_path, '[bots.a]\ntoken_file = "pilot.token"'), SETTINGS)

    assert bots["a"].token == TOKEN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[bots.a]\ntoken = 'x'", "the token of bot a is none"),
        (f"[bots.a]\ntoken = '{TOKEN}'\n[bots.b]\ntoken = '{TOKEN}'", "same token"),
        (f"[bots.a]\ntoken = '{TOKEN}'\nvoices = 'x'", "voices"),
        (f"[bots.a]\ntoken = '{TOKEN}'\nlanguage = 'English'", "language"),
        (f"[bots.a]\ntoken = '{TOKEN}'\nupdates = 'webhook'", "VOICEBUS_TELEGRAM_WEBHOOK_URL"),
        (f"[bots.a]\ntoken = '{TOKEN}'\n[bots.a.personas.'a b']\ninstructions=''", "persona"),
        ("[bots.a]\ntoken_file = 'none'", "cannot be read"),
        ("[bots", "bots.toml"),
    ],
)
def test_what_is_wrong_is_said_without_the_token(tmp_path: Path, text: str, said: str) -> None:
    """In words that name the bot."""
    with pytest.raises(ConfigError, match=said) as caught:
        read(written(tmp_path, text), SETTINGS)

    assert TOKEN not in str(caught.value)


def test_one_bot_needs_no_file() -> None:
    """Its token is enough; without any there is nothing to do."""
    assert configured(TelegramSettings(token=TOKEN))["bot"].id == 123456
    with pytest.raises(ConfigError, match="VOICEBUS_TELEGRAM_TOKEN"):
        configured(SETTINGS)


@pytest.mark.parametrize(
    ("chosen", "was_spoken", "wanted"),
    [
        ("", True, (False, True)),
        ("", False, (True, False)),
        ("same", True, (False, True)),
        ("text", True, (True, False)),
        ("voice", False, (False, True)),
        ("both", False, (True, True)),
    ],
)
def test_an_answer_has_the_form_that_the_chat_chose(
    tmp_path: Path, chosen: str, was_spoken: bool, wanted: tuple[bool, bool]
) -> None:
    """Or that of the question."""
    bot = configured(TelegramSettings(token=TOKEN))["bot"]

    assert forms(ChatKept(answers=chosen), bot, was_spoken=was_spoken) == wanted


def test_a_file_with_a_token_counts_as_part_of_the_file(tmp_path: Path) -> None:
    """As soon as one is there, and whenever it is another one."""
    path = written(tmp_path, '[bots.a]\ntoken_file = "pilot.token"')
    bots = [BotConfig(token_file="pilot.token"), BotConfig(token=TOKEN)]
    stamps = [stamp(path, ()), stamp(path, bots)]
    for token in ("1", "12"):
        (tmp_path / "pilot.token").write_text(token)
        stamps.append(stamp(path, bots))

    assert len(set(stamps)) == 4
    assert stamp(path, bots) == stamps[-1]
