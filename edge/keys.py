"""The keys that open this edge: read at the start, and again whenever their file changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from voicebus import metrics
from voicebus.errors import ConfigError
from voicebus.keys import Key, find, read_keys

log: Final = structlog.get_logger()

FOLLOW_S: Final = 1.0
"""How long a change of the file may go unnoticed."""

_Version = tuple[int, int, int]


class Keys:
    """The keys of one file.

    A file that was there and is gone, or cannot be read any more, changes nothing: the keys that
    were read last stay good. No door opens because a file is missing.

    Args:
        path: The file; it need not exist yet. None where there are no keys.

    Raises:
        ConfigError: It is there and cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        self.path: Final = path
        self._version: _Version | None = None
        self._keys: dict[str, Key] | None = None
        self._read()

    @property
    def are_needed(self) -> bool:
        """Whether nobody comes in without a key: there is a file, if an empty one."""
        return self._keys is not None

    def find(self, presented: str) -> Key:
        """Return the key that a caller presented.

        Raises:
            AccessDenied: It is not good.
        """
        return find(self._keys or {}, presented)

    def named(self, key_id: str) -> Key | None:
        """Return the good key with this id; None where there is none."""
        stored = (self._keys or {}).get(key_id)
        return None if stored is None or stored.revoked else stored

    def current(self, key: Key) -> Key | None:
        """Return a key as it is in the file by now; None when it is not good any more."""
        stored = (self._keys or {}).get(key.id)
        is_good = stored is not None and not stored.revoked and stored.sha256 == key.sha256
        return stored if is_good else None

    async def follow(self) -> None:
        """Read the file again when it changes. Runs until cancelled."""
        told = ""
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                if await asyncio.to_thread(self._read):
                    log.info("keys.read", keys=len(self._keys or {}))
                problem = ""
            except (ConfigError, OSError) as err:
                problem = str(err)
            metrics.KEYS_UNREADABLE.set(bool(problem))
            if problem and problem != told:
                log.error("keys.unreadable", error=problem)
            told = problem

    def _read(self) -> bool:
        """Read the file if it is another one than before; return whether it was."""
        if self.path is None:
            return False
        version = _version_of(self.path)
        if version is None and self._keys is not None:
            raise ConfigError(f"{self.path} is gone; its keys stay good until there is another")
        if version is None or version == self._version:
            return False
        keys = {key.id: key for key in read_keys(self.path)}
        self._keys, self._version = keys, version
        return True


def _version_of(path: Path) -> _Version | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise ConfigError(f"the keys in {path} cannot be read: {err.strerror or err}") from err
    return (found.st_mtime_ns, found.st_size, found.st_ino)
