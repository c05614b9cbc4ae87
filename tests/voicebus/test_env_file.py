"""Files of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebus.env_file import read_env_file
from voicebus.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def written(folder: Path, text: str) -> Path:
    """A file of settings."""
    path = folder / ".env"
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_are_settings(tmp_path: Path) -> None:
    """Bare and in both quotes; comments and empty lines are passed over; the last one counts."""
    text = "# of the cell\n\nA=x\nB=\"two words\"\nC='it costs $5 # or so'\n D = y\nA=z=1\nE=\n"

    with pytest.raises(ConfigError, match=r"\.env:6: expected NAME=value"):
        read_env_file(written(tmp_path, text))
    assert read_env_file(written(tmp_path, text.replace(" D = y\n", ""))) == {
        "A": "z=1",
        "B": "two words",
        "C": "it costs $5 # or so",
        "E": "",
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("A=x # a comment", "in quotes"),
        ('A=one "word"', "in quotes"),
        ("A=back\\slash", "in quotes"),
        ("A=pa$$word", "single quotes"),
        ('A="pa$word"', "single quotes"),
        ("export A=x", "NAME=value"),
        ("A", "NAME=value"),
        ("[section]", "NAME=value"),
    ],
)
def test_what_is_read_in_two_ways_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    """It would be another setting under systemd than in a container."""
    with pytest.raises(ConfigError, match=rf"\.env:2: .*{reason}"):
        read_env_file(written(tmp_path, f"B=1\n{line}\n"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nothing is checked in its place."""
    with pytest.raises(ConfigError, match="nowhere cannot be read"):
        read_env_file(tmp_path / "nowhere")


def test_the_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    """Also where somebody removes the `#` of every line."""
    everything = EXAMPLE.read_text(encoding="utf-8").replace("#VOICEBUS_", "VOICEBUS_")

    assert read_env_file(EXAMPLE) == {}
    assert len(read_env_file(written(tmp_path, everything))) > 150
