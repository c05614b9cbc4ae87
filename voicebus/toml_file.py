"""Files in TOML that people write."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from voicebus.errors import ConfigError

T = TypeVar("T")


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
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except OSError as err:
        raise ConfigError(f"{what} cannot be read: {path}: {err.strerror or err}") from err
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: {err}") from err
