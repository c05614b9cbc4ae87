"""One system for the files of tests that need none of their own."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.bridges.telegram.hooks import HOOKED
from tests.bridges.telegram.serving import Served, served
from voicebus import parts


@pytest.fixture(scope="package")
def telegram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Synthetic engines, one bot, one bridge."""
    with served(tmp_path_factory.mktemp("telegram")) as serving:
        yield serving


@pytest.fixture(scope="module")
def webhook(telegram: Served) -> Iterator[str]:
    """The address at which a bridge takes the updates of a bot; both go with the last test."""
    port = parts.free_port()
    root = f"http://127.0.0.1:{port}"
    telegram.configure("hooked", HOOKED, updates="webhook")
    bridge = telegram.bridge("hooks", TELEGRAM_WEBHOOK_URL=root, TELEGRAM_PORT=str(port))
    yield f"{root}/telegram/{HOOKED}"
    telegram.remove("hooked")
    bridge.signal(signal.SIGTERM)
    bridge.wait(20)
    del telegram.system.processes["hooks"]
