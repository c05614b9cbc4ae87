"""``voicebus persona``: files are checked, and all of them or none go into the bucket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.workers import bus_in, new_place
from voicebus.cli.main import main


@pytest.fixture
def folder(nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two personas, and a bus with a cell of its own."""
    cell = new_place().cell

    async def laid_out() -> None:
        async with bus_in(nats_server, cell) as bus:
            await bus.flush()

    asyncio.run(laid_out())
    monkeypatch.setenv("VOICEBUS_NATS_URL", nats_server)
    monkeypatch.setenv("VOICEBUS_CELL", cell)
    (tmp_path / "shop.md").write_text("---\nvoice: joe\n---\nBe brief.")
    (tmp_path / "bank.md").write_text("Be exact.")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The first word of each line that was printed."""
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_what_is_pushed_is_listed_and_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To push it once more changes nothing."""
    assert main(["persona", "push", str(folder)]) == 0
    assert main(["persona", "push", str(folder / "shop.md")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("was there")

    assert main(["persona", "list"]) == 0
    assert said(capsys) == ["bank", "shop"]
    assert main(["persona", "show", "shop"]) == 0
    assert capsys.readouterr().out == "---\nvoice: joe\n---\nBe brief.\n"


def test_older_versions_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever regrets a change finds what was there before it."""
    main(["persona", "push", str(folder / "bank.md")])
    (folder / "bank.md").write_text("Be quick.")
    main(["persona", "push", str(folder / "bank.md")])
    capsys.readouterr()

    assert main(["persona", "list", "--versions"]) == 0
    first = capsys.readouterr().out.split()[1]
    assert main(["persona", "show", "bank", "--version", first]) == 0
    assert capsys.readouterr().out == "Be exact.\n"


def test_one_that_is_removed_is_gone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once: there is nothing to remove then."""
    main(["persona", "push", str(folder)])

    assert main(["persona", "remove", "bank"]) == 0
    capsys.readouterr()
    main(["persona", "list"])
    assert said(capsys) == ["shop"]
    assert main(["persona", "remove", "bank"]) == 2
    assert main(["persona", "show", "bank"]) == 2


def test_files_with_errors_are_told_and_nothing_is_pushed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them are named, each with its line."""
    (folder / "bad.md").write_text("---\nvoicee: x\n---\n")
    (folder / "no name.md").write_text("Be brief.")
    wanted = [f"{folder / 'bad.md'}:2: there is no `voicee`", "'no name' is no name"]

    for verb in ("check", "push"):
        assert main(["persona", verb, str(folder)]) == 1
        told = capsys.readouterr().err
        assert all(part in told for part in wanted)
    assert main(["persona", "check", str(folder / "none.md")]) == 1
    main(["persona", "list"])
    assert said(capsys) == []
