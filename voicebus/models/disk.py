"""What the model store does to a disk: space, hashes, locks and renames that survive a crash."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from voicebus.errors import ModelError

# Left free beside the file itself, so that a pull never fills a disk to the last byte.
MARGIN_BYTES = 32 * 1024 * 1024


def free_bytes(folder: Path) -> int:
    """Return the bytes that a user may still write on the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def require_space(folder: Path, need_bytes: int, free: Callable[[Path], int]) -> None:
    """Check that ``need_bytes`` more fit on the disk of ``folder``.

    Raises:
        ModelError: They do not; the message has both figures.
    """
    available = free(folder)
    if need_bytes and available < need_bytes + MARGIN_BYTES:
        raise ModelError(
            f"Not enough space in {folder}: {in_words(need_bytes + MARGIN_BYTES)} needed, "
            f"{in_words(available)} free. Free some space, or choose another folder with --dir "
            f"or VOICEBUS_MODELS_DIR."
        )


def in_words(size_bytes: int) -> str:
    """Return a size for people, in decimal units."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, or -1 when there is none."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except FileNotFoundError:
        return -1


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(path: Path, size_bytes: int, sha256: str) -> bool:
    """Return whether the file is there with exactly these bytes. Reads all of it."""
    return size_of(path) == size_bytes and sha256_of(path) == sha256


def settle(part: Path, target: Path) -> None:
    """Give a finished ``.part`` file its name: all of it on the disk first, then one rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file ``path`` against every other process and thread.

    The kernel releases it when a process dies. ``waiting`` is called once if somebody else has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
