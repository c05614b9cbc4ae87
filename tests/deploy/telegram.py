"""Telegram, as far as a deployment's bridge needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from tests.bridges.telegram.bot_api.server import BotApi
from tests.deploy.stage import Command, Stage

_BOT = 11_001


@contextmanager
def telegram() -> Iterator[Telegram]:
    """Serve the Bot API with one bot while the context lasts."""
    with BotApi() as api:
        api.add_bot(_BOT, "sea_bot")
        yield Telegram(api)


class Telegram:
    """The Bot API of a bridge.

    Args:
        api: The server.
    """

    def __init__(self, api: BotApi) -> None:
        self._api = api

    def start(self, stage: Stage, command: Command) -> None:
        """Start a deployment's bridge, with what its operator sets: a token, and where to ask."""
        operators = {
            "VOICEBUS_TELEGRAM_API_URL": self._api.url,
            "VOICEBUS_TELEGRAM_TOKEN": self._api.accounts[_BOT].token,
        }
        stage.start(structs.replace(command, environment={**command.environment, **operators}))

    def expect_asked(self) -> None:
        """Say that the bridge asked for the messages of its bot, and nothing that is wrong."""
        assert "getMe" in {call.method for call in self._api.calls}
        assert self._api.errors == []
