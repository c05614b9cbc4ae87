"""The configuration of a server, as the server itself reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.nats_server import nats_server_binary
from voicebus import credentials
from voicebus.bus.server_config import BASE, Cluster, Server, command, render, write


def checked(config: Path) -> str:
    """Have the server check a configuration; return what it says."""
    done = subprocess.run(
        [nats_server_binary(), "-t", "-c", str(config)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stderr


def server(folder: Path, **given: object) -> Server:
    """A server with its store in a folder."""
    return Server(port=4333, monitor_port=8333, store=folder / "store", **given)  # type: ignore[arg-type]


def test_the_server_accepts_what_is_written_for_it(tmp_path: Path) -> None:
    """Alone and without users, as on a laptop."""
    config = write(server(tmp_path), tmp_path)

    assert "is valid" in checked(config)


def test_the_server_accepts_users_and_a_cluster(tmp_path: Path) -> None:
    """Blanks and quotes in a folder's name change nothing."""
    folder = tmp_path / 'a "folder" of mine'
    credentials.create(folder / "users", "local", ("web",))
    clustered = server(
        folder,
        name="second",
        users=credentials.config_of(folder / "users"),
        cluster=Cluster(name="home", port=6333, routes=("nats://127.0.0.1:6222",)),
    )

    config = write(clustered, folder / "run")

    assert "is valid" in checked(config)
    assert config.name == "nats-second.conf"


def test_a_server_says_what_it_is_good_for_and_how_often_it_flushes(tmp_path: Path) -> None:
    """A server whose streams survive a loss of power; nothing else of nats.conf changes."""
    durable = server(tmp_path, tags=("durable", "eu"), sync_interval="always")

    config = write(durable, tmp_path)
    base = (tmp_path / "nats-voicebus-base.conf").read_text()

    assert "is valid" in checked(config)
    assert 'server_tags: ["durable", "eu"]' in config.read_text()
    assert base == BASE.read_text().replace('sync_interval: "2m"', 'sync_interval: "always"')
    assert base != BASE.read_text()


def test_a_wrong_user_is_noticed_by_the_server(tmp_path: Path) -> None:
    """Or the two tests above would say nothing."""
    credentials.create(tmp_path / "users", "local", ())
    users = credentials.config_of(tmp_path / "users")
    users.write_text(users.read_text().replace("nkey: U", "nkey: X"))

    config = write(server(tmp_path, users=users), tmp_path)

    assert "is valid" not in checked(config)


def test_the_project_s_file_comes_first(tmp_path: Path) -> None:
    """What comes later wins, and ports are not those of the project's file."""
    lines = [line for line in render(server(tmp_path), tmp_path).splitlines() if line[0] != "#"]

    assert lines[0].startswith("include ")
    assert lines[0].endswith('nats.conf"')
    assert 'listen: "127.0.0.1:4333"' in lines[1:]
    assert BASE.exists()


def test_a_server_listens_on_loopback_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    """Its monitoring, which has no password, always does."""
    text = render(server(tmp_path, host="0.0.0.0"), tmp_path)

    assert 'listen: "0.0.0.0:4333"' in text
    assert 'http: "127.0.0.1:8333"' in text
    assert "0.0.0.0" not in render(server(tmp_path), tmp_path)


@pytest.mark.parametrize("word", ["-c", "-sd"])
def test_the_command_names_configuration_and_store(tmp_path: Path, word: str) -> None:
    """The store is told once, and there."""
    started = command("nats-server", server(tmp_path), tmp_path / "some.conf")

    told = {"-c": tmp_path / "some.conf", "-sd": tmp_path / "store"}[word]
    assert started[started.index(word) + 1] == str(told)
