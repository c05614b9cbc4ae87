"""``voicebus auth`` and ``voicebus layout``."""

from __future__ import annotations

from pathlib import Path

import pytest

from subjects.permissions import OPERATORS, SYSTEM
from subjects.streams import ROLES
from tests.nats_server import NatsServer
from voicebus import credentials
from voicebus.bus import server_config
from voicebus.bus.server_config import Server
from voicebus.cli.main import main


@pytest.fixture
def users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder of users that the command has made."""
    folder = tmp_path / "users"
    assert main(["auth", "init", str(folder), "--edge", "web", "--edge", "phone"]) == 0
    printed = capsys.readouterr().out
    assert str(folder / "stt.seed") in printed
    assert str(credentials.config_of(folder)) in printed
    return folder


def test_no_seed_is_printed(users: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal's history is no place for one: only the file's name is told."""
    assert main(["auth", "rotate", str(users), "stt"]) == 0
    assert main(["auth", "add-edge", str(users), "radio"]) == 0

    printed = capsys.readouterr().out
    seeds = [path.read_text().strip() for path in users.glob("*.seed")]
    assert len(seeds) == len({*ROLES, *OPERATORS, SYSTEM}) + 3
    assert [seed for seed in seeds if seed in printed] == []
    assert str(users / "edge-radio.seed") in printed


def test_the_cell_is_that_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every process of the cell."""
    monkeypatch.setenv("VOICEBUS_CELL", "north")

    assert main(["auth", "init", str(tmp_path)]) == 0

    assert credentials.read(tmp_path).cell == "north"


def test_the_file_of_an_older_version_is_brought_up_to_date(users: Path) -> None:
    """Permissions come from the table of subjects, and that changes; keys do not."""
    config = credentials.config_of(users)
    wanted, before = config.read_text(), credentials.read(users)
    config.write_text("# of an older version")

    assert main(["auth", "refresh", str(users)]) == 0

    assert config.read_text() == wanted
    assert credentials.read(users) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init",), "has users already"),
        (("add-edge", "web"), "already"),
        (("add-edge", "a.b"), "not the name of an edge"),
        (("rotate", "nobody"), "edge-web"),
    ],
)
def test_what_cannot_be_done_is_said(
    users: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with code 2."""
    verb, *names = arguments

    assert main(["auth", verb, str(users), *names]) == 2

    assert said in capsys.readouterr().err


def test_the_admin_makes_the_streams(
    users: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its seed; with another one the server refuses, and the command says so."""
    run = tmp_path / "run"
    run.mkdir()
    described = Server(
        port=-1, monitor_port=-1, store=run / "store", users=credentials.config_of(users)
    )
    with NatsServer(run, server_config.write(described, tmp_path)) as server:
        monkeypatch.setenv("VOICEBUS_NATS_URL", server.url)
        monkeypatch.setenv("VOICEBUS_NATS_NKEY_FILE", str(users / "admin.seed"))
        assert main(["layout"]) == 0
        assert "streams and consumers of cell local" in capsys.readouterr().out

        monkeypatch.setattr("voicebus.bus.questions.REQUEST_TIMEOUT_S", 0.2)
        monkeypatch.setenv("VOICEBUS_NATS_NKEY_FILE", str(users / "stt.seed"))
        assert main(["layout"]) == 1
        assert "voicebus layout: " in capsys.readouterr().err
