"""``voicebus layout`` with a key that is not the admin's."""

from __future__ import annotations

import time

import pytest

from tests.secured import Secured
from voicebus import credentials
from voicebus.bus.questions import REQUEST_TIMEOUT_S
from voicebus.cli.main import main


def test_a_wrong_key_is_said_at_once(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server says so itself; what was asked would be waited for in vain, again and again."""
    monkeypatch.setenv("VOICEBUS_NATS_URL", secured.server.url)
    seed = credentials.seed_of(secured.users, "monitor")
    monkeypatch.setenv("VOICEBUS_NATS_NKEY_FILE", str(seed))
    begun_s = time.monotonic()

    assert main(["layout"]) == 1

    # Before the first question is given up; there would be eight.
    assert time.monotonic() - begun_s < REQUEST_TIMEOUT_S
    assert "admin's seed" in capsys.readouterr().err
