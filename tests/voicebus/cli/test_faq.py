"""``voicebus faq``: a file is imported, and questions are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voicebus.cli.test_personas import folder
from voicebus.cli.main import main

__all__ = ["folder"]

CSV = "question,answer\nWhen do you open?,At nine.\nAt what time do you open?,\n"


def test_a_file_can_be_tried_before_it_is_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No bus is needed; a question without an answer is told by the exit code."""
    (tmp_path / "f.csv").write_text(CSV)
    command = ["faq", "test", "--file", str(tmp_path / "f.csv")]

    assert main([*command, "when do you open", "and when do you open"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert (first.split()[0], second.split()[0]) == ("normalised", "fuzzy")
    assert main([*command, "When do you close?"]) == 1
    assert "the language model answers" in capsys.readouterr().out


def test_what_is_imported_is_there_until_it_is_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the name of the persona."""
    (folder / "f.csv").write_text(CSV)
    asked = ["faq", "test", "--persona", "shop", "When do you open?"]

    assert main(asked) == 2
    assert main(["faq", "import", str(folder / "f.csv"), "--persona", "shop"]) == 0
    assert "2 questions" in capsys.readouterr().out
    assert main(asked) == 0
    assert "At nine." in capsys.readouterr().out
    assert main(["faq", "remove", "shop"]) == 0
    assert main(asked) == 2


def test_a_file_with_an_error_is_not_imported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the line; a persona's name is checked, too."""
    (folder / "f.csv").write_text("question,answer\nWhen?,Now.\nWhere?,Here,or there\n")
    (folder / "empty.csv").write_text("question,answer\n")

    assert main(["faq", "import", str(folder / "f.csv"), "--persona", "shop"]) == 2
    assert "f.csv:3: 3 columns" in capsys.readouterr().err
    assert main(["faq", "import", str(folder / "empty.csv"), "--persona", "shop"]) == 2
    assert main(["faq", "import", str(folder / "empty.csv"), "--persona", "a.b"]) == 2
