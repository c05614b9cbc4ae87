"""The keys that open this edge: read at the start, and again whenever their file changes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edge.followed import Followed
from edge.settings import EdgeSettings
from voicebus import metrics
from voicebus.keys import Key, find, read_keys


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
        self._file = Followed("keys", path, _by_id, metrics.KEYS_UNREADABLE)
        self.path: Final = path
        self.follow: Final = self._file.follow

    @property
    def are_needed(self) -> bool:
        """Whether nobody comes in without a key: there is a file, if an empty one."""
        return self._file.value is not None

    def find(self, presented: str) -> Key:
        """Return the key that a caller presented.

        Raises:
            AccessDenied: It is not good.
        """
        return find(self._file.value or {}, presented)

    def named(self, key_id: str) -> Key | None:
        """Return the good key with this id; None where there is none."""
        stored = (self._file.value or {}).get(key_id)
        return None if stored is None or stored.revoked else stored

    def current(self, key: Key) -> Key | None:
        """Return a key as it is in the file by now; None when it is not good any more."""
        stored = (self._file.value or {}).get(key.id)
        is_good = stored is not None and not stored.revoked and stored.sha256 == key.sha256
        return stored if is_good else None


def named_by(settings: EdgeSettings) -> dict[str, Key]:
    """Read the file that the settings name.

    Raises:
        FileNotFoundError: There is none.
        ConfigError: It cannot be read.
    """
    return _by_id(Path(settings.keys_file).expanduser())


def _by_id(path: Path) -> dict[str, Key]:
    return {key.id: key for key in read_keys(path)}
