"""Files of settings as systemd (EnvironmentFile=) and compose (env_file:) read them both.

    # a comment
    VOICEBUS_CELL=north
    VOICEBUS_TURN_INSTRUCTIONS="You are terse."

What the two of them read differently is refused, because it would be one setting here and another
one there.

Sources: systemd.exec(5), EnvironmentFile=; https://docs.docker.com/reference/compose-file/services,
env_file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from voicebus.errors import ConfigError

_LINE: Final = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?:"(?P<double>[^"\\]*)"|'(?P<single>[^']*)'|(?P<bare>.*))"""
)


def read_env_file(path: Path) -> dict[str, str]:
    """Return the settings of a file.

    Raises:
        ConfigError: The file cannot be read, or a line of it is none; the number is told.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path} cannot be read: {err}") from err
    return dict(_read(path, lines))


def _read(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ConfigError(f'{path}:{number}: expected NAME=value, NAME="value" or a comment')
        bare = (found["bare"] or "").strip()
        if " #" in bare or re.search(r"[\"'\\]", bare):
            raise ConfigError(
                f"{path}:{number}: {found['name']}: put the whole value in quotes; a comment "
                "stands on a line of its own"
            )
        if "$" in bare + (found["double"] or ""):
            raise ConfigError(
                f"{path}:{number}: {found['name']}: compose would put another variable in the "
                "place of $…: put the value in single quotes"
            )
        yield found["name"], found["double"] or found["single"] or bare
