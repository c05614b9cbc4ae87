"""A file that people change while the edge runs: what it says counts within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog
from prometheus_client import Gauge

from voicebus.errors import ConfigError

log: Final = structlog.get_logger()

FOLLOW_S: Final = 1.0
"""How long a change of the file may go unnoticed."""

T = TypeVar("T")

_Version = tuple[int, int, int]


class Followed(Generic[T]):
    """What one file says.

    A file that was there and is gone, or cannot be read any more, changes nothing: what was read
    last stays good.

    Args:
        name: What is in it, for the log and for people: ``keys``, ``sites``.
        path: The file; it need not exist yet. None where there is none.
        parse: Reads it; raises ConfigError.
        unreadable: 1 while it is gone or cannot be read.

    Attributes:
        value: What was read last; None while nothing was.

    Raises:
        ConfigError: It is there and cannot be read.
    """

    def __init__(
        self, name: str, path: Path | None, parse: Callable[[Path], T], unreadable: Gauge
    ) -> None:
        self.path: Final = path
        self.value: T | None = None
        self._name = name
        self._parse = parse
        self._unreadable = unreadable
        self._version: _Version | None = None
        self._read()

    async def follow(self) -> None:
        """Read the file again when it changes. Runs until cancelled."""
        told = ""
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                if await asyncio.to_thread(self._read):
                    log.info(f"{self._name}.read")
                problem = ""
            except (ConfigError, OSError) as err:
                problem = str(err)
            self._unreadable.set(bool(problem))
            if problem and problem != told:
                log.error(f"{self._name}.unreadable", error=problem)
            told = problem

    def _read(self) -> bool:
        """Read the file if it is another one than before; return whether it was."""
        if self.path is None:
            return False
        version = self._version_of(self.path)
        if version is None and self.value is not None:
            raise ConfigError(
                f"{self.path} is gone; its {self._name} stay good until there is another"
            )
        if version is None or version == self._version:
            return False
        self.value, self._version = self._parse(self.path), version
        return True

    def _version_of(self, path: Path) -> _Version | None:
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        except OSError as err:
            reason = err.strerror or err
            raise ConfigError(f"the {self._name} in {path} cannot be read: {reason}") from err
        return (found.st_mtime_ns, found.st_size, found.st_ino)
