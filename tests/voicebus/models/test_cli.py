"""Tests of ``voicebus models``."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tests.voicebus.models.place import Place, file_of, lock_of
from voicebus.cli import models
from voicebus.models import ModelStore
from voicebus.models.sources import Hub


def run(*argv: str) -> int:
    """Run the command line as the program does."""
    parser = argparse.ArgumentParser()
    models.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["models", *argv])
    return int(args.run(args))


@pytest.fixture
def small_lock(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """Let the command line see a lock with one small model on the loopback hub."""
    place.put_on_hub("m.bin", b"bytes")
    lock = lock_of(file_of("m.bin", b"bytes", hub="m.bin"))
    monkeypatch.setattr(
        models, "ModelStore", lambda folder: ModelStore(folder, lock, Hub(place.url))
    )


@pytest.mark.usefixtures("small_lock")
def test_pull_list_and_verify_tell_the_state_by_words_and_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From absent to intact to corrupt, the commands say what is so."""
    where = ("--dir", str(tmp_path))

    assert run("verify", *where) == 1
    assert "missing  voice/m.bin" in capsys.readouterr().out
    assert run("pull", *where) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "voice")
    assert run("verify", *where) == 0
    assert run("list", *where) == 0
    assert "complete" in capsys.readouterr().out
    (tmp_path / "voice" / "m.bin").write_bytes(b"bytez")
    assert run("verify", *where) == 1
    shown = capsys.readouterr()
    assert "corrupt  voice/m.bin" in shown.out
    assert f"voicebus models pull voice --dir {tmp_path}" in shown.err


def test_an_unknown_name_ends_with_exit_code_1_and_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for a typing error."""
    assert run("pull", "whisper-bse", "--dir", str(tmp_path)) == 1

    assert "error: There is no model named whisper-bse" in capsys.readouterr().err


def test_list_shows_the_licence_of_every_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who lists the models sees the terms."""
    assert run("list", "--dir", str(tmp_path)) == 0

    shown = capsys.readouterr().out
    for licence in ("MIT", "BSD-2-Clause", "Apache-2.0", "CC0-1.0"):
        assert licence in shown
