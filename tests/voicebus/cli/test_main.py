"""The ``voicebus`` command."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from voicebus.cli.main import main
from voicebus.cli.up import _NAMES

COMMANDS = (
    *("up", "talk", "top", "replay", "doctor", "drain", "dead-letters"),
    *("config", "models", "keys", "auth", "layout", "bench", "worker", "edge"),
)


def help_of(*arguments: str) -> int:
    """Ask for help; return the exit code."""
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    return int(end.value.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its help has a sentence, and it is in the list of commands."""
    assert help_of(command) == 0
    assert len(capsys.readouterr().out.split("\n\n")) > 2
    assert help_of() == 0
    listed = capsys.readouterr().out.splitlines()
    assert any(line == f"    {command}" or line.startswith(f"    {command} ") for line in listed)


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """One place says which version this is."""
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"voicebus {version('voicebus')}\n"


@pytest.mark.parametrize("arguments", [[], ["sing"], ["worker"], ["worker", "edge"], ["replay"]])
def test_a_wrong_command_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the usage, and code 2."""
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert end.value.code == 2
    assert "usage: voicebus" in capsys.readouterr().err


def test_an_unknown_setting_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, one line, and the setting that was meant."""
    monkeypatch.setenv("VOICEBUS_NATS_URI", "nats://x")

    assert main(["replay", "s1"]) == 2
    assert capsys.readouterr().err == (
        "voicebus: unknown setting: VOICEBUS_NATS_URI (did you mean VOICEBUS_NATS_URL?)\n"
    )


def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable and what stands in it."""
    monkeypatch.setenv("VOICEBUS_REPLICAS", "three")

    assert main(["replay", "s1"]) != 0
    assert "VOICEBUS_REPLICAS='three'" in capsys.readouterr().err


def test_no_two_edges_of_up_have_the_same_name() -> None:
    """Workers would take one for the other, started anew, and let go of its sessions."""
    assert len({*_NAMES.values()}) == len(_NAMES)
