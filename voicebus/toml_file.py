"""Files in TOML that people write."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from voicebus.errors import ConfigError

T = TypeVar("T")

_ONE_OF: Final = re.compile(r"(?<=`\$\.)(\w+)\[\.\.\.\]")
"""A place in one of several tables, as msgspec has it: it does not say in which."""


def read(path: Path, kind: type[T], what: str) -> T:
    """Read a file.

    Args:
        path: The file.
        kind: What it holds.
        what: The same, for people.

    Raises:
        ConfigError: It cannot be read, or does not hold that. Shows no value of it.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{what} cannot be read: {path}: {err.strerror or err}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: {err}") from err
    try:
        return converted(told, kind)
    except msgspec.ValidationError as err:
        raise ConfigError(f"{path}: {err}") from err


def converted(told: Mapping[str, Any], kind: type[T]) -> T:
    """Return what a file says as what it is to be.

    Raises:
        msgspec.ValidationError: It is not; says where, with the name of the table.
    """
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as err:
        if place := _ONE_OF.search(str(err)):
            for name, table in told[place[1]].items():
                _expect_right(place[1], name, table, kind)
        raise


def _expect_right(tables: str, name: str, table: object, kind: type[object]) -> None:
    try:
        msgspec.convert({tables: {name: table}}, kind)
    except msgspec.ValidationError as err:
        if _ONE_OF.search(str(err)):
            message = _ONE_OF.sub(lambda place: f"{place[1]}.{name}", str(err))
            raise msgspec.ValidationError(message) from err
