"""``voicebus config``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voicebus.cli.main import main
from voicebus.env_file import read_env_file
from voicebus.settings import PREFIX


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def test_a_good_environment_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    """Code 0, and a line that says so."""
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out.startswith("ok       0 settings are given")


def test_every_problem_has_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 1, also where a name is unknown, which ends every other command."""
    monkeypatch.setenv("VOICEBUS_NATS_URI", "nats://x")
    monkeypatch.setenv("VOICEBUS_REPLICAS", "three")

    assert main(["config", "check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("problem  ") for line in lines)


def test_a_file_is_read_on_top_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a container or a unit would have it; of several files the last one counts."""
    monkeypatch.setenv("VOICEBUS_CELL", "south")
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    first.write_text("VOICEBUS_CELL=north\nVOICEBUS_DRAIN_S=9\n")
    second.write_text("VOICEBUS_DRAIN_S=soon\n")

    assert main(["config", "show", "stt", "--given", "--env-file", str(first)]) == 0
    assert capsys.readouterr().out == "VOICEBUS_CELL=north\nVOICEBUS_DRAIN_S=9.0\n"
    files = ["--env-file", str(first), "--env-file", str(second)]
    assert main(["config", "check", *files]) == 1
    assert "VOICEBUS_DRAIN_S='soon'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("process", "setting"),
    [
        ("nats-exporter", "VOICEBUS_METRICS_PORT"),
        ("autoscale", "VOICEBUS_AUTOSCALE_TARGET"),
        ("autoscale", "VOICEBUS_UP_METRICS_PORT"),
        ("up", "VOICEBUS_UP_METRICS_PORT"),
    ],
)
def test_who_only_watches_and_starts_others_has_settings_too(
    process: str,
    setting: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What would end it at its start is said; another one's settings are not its matter."""
    monkeypatch.setenv("VOICEBUS_STT_SLOTS", "many")
    assert main(["config", "check", process]) == 0
    monkeypatch.setenv(setting, "soon")

    assert main(["config", "check", process]) == 1
    assert f"{setting}='soon'" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, with code 1, and nothing else is looked at."""
    assert main(["config", "check", "--env-file", str(tmp_path / "no.env")]) == 1
    assert "no.env" in capsys.readouterr().out


def test_what_is_shown_is_a_file_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Defaults are comments; values with blanks are in quotes."""
    monkeypatch.setenv("VOICEBUS_TURN_INSTRUCTIONS", "Say it's $5.")

    assert main(["config", "show"]) == 0
    out = capsys.readouterr().out
    (tmp_path / ".env").write_text(out)
    assert "#VOICEBUS_CELL=local\n" in out
    assert 'VOICEBUS_TURN_INSTRUCTIONS="Say it\'s $5."\n' in out
    (tmp_path / ".env").write_text(out.replace("$5", "five"))
    assert read_env_file(tmp_path / ".env") == {"VOICEBUS_TURN_INSTRUCTIONS": "Say it's five."}
