"""docs/howto/telegram.md, step by step: what it says to type is typed. Synthetic engines."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from bridges.telegram.bots import BotConfig
from tests.bridges.telegram.bot_api.people import Person
from tests.bridges.telegram.bot_api.server import BotApi
from tests.bridges.telegram.serving import Served
from tests.secured import CELL, secured_server
from tests.system import SYNTHETIC, System
from tests.walking import HOWTO, commands, fenced, walking
from voicebus import parts

pytestmark = [pytest.mark.model, pytest.mark.operations]

PAGE = (HOWTO / "telegram.md").read_text(encoding="utf-8")
RUN = commands(PAGE, "make run")
NO_TOKEN = "123456789:what-BotFather-said"


def environ_of(folder: Path, api: BotApi) -> dict[str, str]:
    """What the steps find: no bus yet, and the tests' Bot API."""
    environ = System(folder, SYNTHETIC).environment(
        UP_DATA_DIR=str(folder / "data"),
        UP_NATS_PORT=str(parts.free_port()),
        TELEGRAM_API_URL=api.url,
    )
    del environ["VOICEBUS_NATS_URL"]
    return environ


def test_what_has_not_the_form_of_a_token_ends_it(tmp_path: Path) -> None:
    """The page's own is none."""
    with BotApi() as api:
        environ = environ_of(tmp_path, api)
        with walking(RUN, tmp_path, environ, parts.free_port()) as walk:
            assert walk.process.wait(60) != 0

    assert "VOICEBUS_TELEGRAM_TOKEN" in walk.output
    assert "Talk to it" not in walk.output


def test_one_bot_on_this_machine(tmp_path: Path) -> None:
    """With a token that Telegram knows: it says so, and answers."""
    assert "$(BIN)/voicebus up --port $(PORT)" in (parts.project_root() / "Makefile").read_text()
    assert NO_TOKEN in RUN
    with BotApi() as api:
        steps = RUN.replace(NO_TOKEN, api.add_bot(5_001).token)
        environ = environ_of(tmp_path, api)
        with walking(steps, tmp_path, environ, parts.free_port()) as walk:
            walk.until_printed(r"^telegram +ready")
            ann = Person(api, 5_001, 500_001)
            ann.write("How deep is the sea?")
            (answer,) = ann.until_seen()

    assert answer.method == "sendMessage"
    assert walk.process.returncode == 0


async def test_another_machine_with_a_user_of_its_own(tmp_path: Path) -> None:
    """The user is made, the server reads its users again, and the bridge serves."""
    add, start = commands(PAGE, "add-bridge").splitlines()
    with BotApi() as api, secured_server(tmp_path) as secured:
        await secured.make_layout()
        environ = System(tmp_path, SYNTHETIC).environment(
            CELL=CELL,
            NATS_URL=secured.urls,
            TELEGRAM_API_URL=api.url,
            TELEGRAM_TOKEN=api.add_bot(5_002).token,
            METRICS_PORT="0",
        )
        with walking(add, tmp_path, environ) as walk:
            assert walk.process.wait(30) == 0, walk.output
        os.kill(secured.server.pid, signal.SIGHUP)
        with walking(start, tmp_path, environ) as walk:
            ann = Person(api, 5_002, 500_002)
            ann.write("/help")
            walk.until(ann.seen, "an answer")

        assert secured.violations() == []
    assert walk.process.returncode == 0


def test_a_webhook(telegram: Served, tmp_path: Path) -> None:
    """The file of settings is loaded, Telegram is told the address, and what it sends is taken."""
    port = parts.free_port()
    (settings,) = fenced(PAGE, "ini")
    assert "_PORT=8082\n" in settings
    (tmp_path / "voicebus.env").write_text(settings.replace("8082", str(port)))
    account = telegram.api.add_bot(5_003)
    (tmp_path / "bots.toml").write_text(
        f'[bots.river]\ntoken = "{account.token}"\nupdates = "webhook"\n'
    )
    environ = telegram.system.environment(TELEGRAM_API_URL=telegram.api.url, METRICS_PORT="0")
    steps = "set -a; . ./voicebus.env; exec voicebus bridge telegram"
    with walking(steps, tmp_path, environ) as walk:
        walk.until(lambda: account.webhook, "a webhook")
        told = dict(account.webhook)
        # What a proxy does with the address that Telegram was told.
        account.webhook["url"] = told["url"].replace(
            "https://voice.example", f"http://127.0.0.1:{port}"
        )
        ann = telegram.person(5_003)
        ann.write("How deep is the sea?")
        ann.until_seen()
        time.sleep(0.5)

    assert told["url"] == "https://voice.example/telegram/5003"
    assert told["secret_token"] == BotConfig(token=account.token).secret
    assert len(ann.calls("sendMessage")) == 1
