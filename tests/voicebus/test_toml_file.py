"""Files in TOML that people write."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from voicebus import toml_file
from voicebus.errors import ConfigError


def test_what_is_in_it_is_returned(tmp_path: Path) -> None:
    """As what it is to be."""
    path = tmp_path / "ports.toml"
    path.write_text("edge = 8080\n")

    assert toml_file.read(path, dict[str, int], "the ports") == {"edge": 8080}


@pytest.mark.parametrize("data", [b"[edge", b"edge = 'x'", b"\xff\xfe"])
def test_what_it_may_not_be_names_the_file(tmp_path: Path, data: bytes) -> None:
    """No TOML, another kind of value, and no text."""
    path = tmp_path / "ports.toml"
    path.write_bytes(data)

    with pytest.raises(ConfigError, match=r"ports\.toml"):
        toml_file.read(path, dict[str, int], "the ports")


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what was looked for."""
    with pytest.raises(ConfigError, match=r"the ports cannot be read: .*ports\.toml"):
        toml_file.read(tmp_path / "ports.toml", dict[str, int], "the ports")


class _Port(Struct, frozen=True, forbid_unknown_fields=True):
    number: int


class _Ports(Struct, frozen=True, forbid_unknown_fields=True):
    ports: dict[str, _Port]


def test_the_table_that_is_wrong_is_named(tmp_path: Path) -> None:
    """Of many that look alike: somebody has to find it."""
    path = tmp_path / "ports.toml"
    path.write_text("[ports.web]\nnumber = 1\n[ports.phones]\nnumber = 'x'\n")

    with pytest.raises(ConfigError, match=r"ports\.toml: .*`\$\.ports\.phones\.number`"):
        toml_file.read(path, _Ports, "the ports")
