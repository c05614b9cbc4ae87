"""``voicebus worker`` and ``voicebus edge``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from voicebus.cli.main import main
from voicebus.cli.part import run_module
from voicebus.errors import ConfigError


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module that a test may write."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return "toy_part"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("", 0), ("import sys; sys.exit(0)", 0), ("import sys; sys.exit(3)", 3)],
)
def test_a_part_ends_the_command_with_its_code(
    module: str, tmp_path: Path, code: str, exit_code: int
) -> None:
    """The part runs as if it had been started by its own name."""
    (tmp_path / f"{module}.py").write_text(f"assert __name__ == '__main__'\n{code}\n")

    assert run_module(module) == exit_code


def test_a_missing_library_is_named(module: str, tmp_path: Path) -> None:
    """Who installed without the extra is told which library is missing."""
    (tmp_path / f"{module}.py").write_text("import a_library_that_nobody_has\n")

    with pytest.raises(ConfigError, match=r"needs a_library_that_nobody_has.*extras"):
        run_module(module)


def test_an_edge_for_telephones_reads_its_settings_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is another kind of edge, with settings of its own; the ordinary one has none of them."""
    monkeypatch.setenv("VOICEBUS_TELEPHONY_HOST", "0.0.0.0")

    assert main(["edge", "telephony"]) == 2
    assert "VOICEBUS_TELEPHONY_SECRET" in capsys.readouterr().err


def test_a_worker_reads_its_settings_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong one ends it before it connects."""
    monkeypatch.setenv("VOICEBUS_METRICS_PORT", "http")

    assert main(["worker", "turn"]) == 2
    assert "VOICEBUS_METRICS_PORT='http'" in capsys.readouterr().err
    assert "services.turn.__main__" not in sys.modules
