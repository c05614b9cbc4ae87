"""docs/howto/telegram.md: what stands there works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import voicebus.channel_metrics  # noqa: F401 - it registers them
from bridges.telegram.bots import read
from bridges.telegram.settings import SCOPE, TelegramSettings
from tests.test_house_rules import ROOT
from voicebus import settings

PAGE = (ROOT / "docs" / "howto" / "telegram.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one block in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_file_of_the_page_is_one(tmp_path: Path) -> None:
    """With the token of the first bot beside it."""
    (tmp_path / "bots.toml").write_text(block("toml"))
    (tmp_path / "pilot.token").write_text(f"5:{'A' * 35}")

    bots = read(tmp_path / "bots.toml", TelegramSettings())

    assert set(bots) == {"pilot", "river"}
    assert set(bots["pilot"].personas) == {"sailor"}


def test_the_settings_of_the_page_are_some() -> None:
    """As a process reads them."""
    environ = dict(line.split("=", 1) for line in block("ini").splitlines())

    assert settings.read(TelegramSettings, environ, SCOPE).webhook_url == "https://voice.example"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"voicebus_telegram_\w+", PAGE))))
def test_the_metrics_of_the_page_are_there(name: str) -> None:
    """By their names."""
    names = {family.name for family in REGISTRY.collect() if "telegram" in family.name}

    assert name.removesuffix("_total") in names
