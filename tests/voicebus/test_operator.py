"""How a person's command reaches the bus."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schemas.session import SessionOpened
from tests.bus import place_here
from tests.nats_server import NatsServer
from voicebus import credentials, operator
from voicebus.errors import BusUnavailable
from voicebus.operator import Word


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which `voicebus up` has made its users."""
    credentials.create(tmp_path / "users", "local", ())
    return {"VOICEBUS_UP_DATA_DIR": str(tmp_path)}


def test_a_command_is_a_user_of_the_system_that_runs_here(environ: dict[str, str]) -> None:
    """Nothing has to be set to look into one's own system."""
    seed = Path(operator.bus_settings(environ, "monitor").nats_nkey_file)

    assert seed.name == "monitor.seed"
    assert seed.exists()


@pytest.mark.parametrize("name", ["NATS_URL", "NATS_USER", "NATS_NKEY_FILE"])
def test_what_is_set_wins(environ: dict[str, str], name: str) -> None:
    """A key of this machine's is not shown to another's bus."""
    environ[f"VOICEBUS_{name}"] = "given"

    assert operator.bus_settings(environ, "admin").nats_nkey_file in ("", "given")


def test_a_command_finds_the_bus_where_it_is(environ: dict[str, str], tmp_path: Path) -> None:
    """At whatever port, with however many servers; once it is gone, where it would be next."""
    word = Word(nats_url="nats://127.0.0.1:4223,nats://127.0.0.1:4224", replicas=3)
    operator.leave_word(tmp_path, word)
    found = operator.bus_settings(environ, "admin")
    given = operator.bus_settings({**environ, "VOICEBUS_NATS_URL": "nats://other:4222"}, "admin")
    operator.take_word_back(tmp_path)
    after = operator.bus_settings({**environ, "VOICEBUS_UP_NATS_PORT": "4333"}, "admin")

    assert (found.nats_url, found.replicas) == (word.nats_url, 3)
    assert (given.nats_url, given.replicas) == ("nats://other:4222", 1)
    assert (after.nats_url, after.replicas) == ("nats://127.0.0.1:4333", 1)


def test_without_users_there_is_no_key(tmp_path: Path) -> None:
    """A bus without users is reached as before."""
    chosen = operator.bus_settings({"VOICEBUS_UP_DATA_DIR": str(tmp_path)}, "admin")

    assert chosen.nats_nkey_file == ""


async def test_a_command_is_told_that_there_is_no_stream(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for ever for a server that has none, and may be about to end."""
    monkeypatch.setenv("VOICEBUS_NATS_URL", own_nats_server.url)
    async with operator.connected("admin", "test") as bus, asyncio.timeout(10):
        with pytest.raises(BusUnavailable):
            await bus.store(SessionOpened(client="test"), place_here())
