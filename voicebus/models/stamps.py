"""Which files of a store were read whole and found to be right, so that no start reads them again.

What is noted of a file that was right is its size, its time and its place on the disk: whoever
writes to it changes these. Bits that a disk loses by itself do not: for these there is
``voicebus models verify``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct


class Stamp(Struct, frozen=True):
    """A file as it was when its bytes were the right ones.

    Fields
        sha256: What its bytes hash to.
        size_bytes: Its size.
        mtime_ns: When it was last written, in ns since 1970.
        inode: Its number on its disk: another file of the same name has another one.
    """

    sha256: str
    size_bytes: int
    mtime_ns: int
    inode: int


def stamp_of(path: Path, sha256: str) -> Stamp:
    """Return what is to be noted of a file, should its bytes be these.

    Raises:
        OSError: It cannot be looked at.
    """
    found = path.stat()
    return Stamp(sha256, found.st_size, found.st_mtime_ns, found.st_ino)


def stamps_in(folder: Path, model: str) -> dict[str, Stamp]:
    """Return what is noted of a model's files in a store."""
    try:
        return msgspec.json.decode(_place(folder, model).read_bytes(), type=dict[str, Stamp])
    except (OSError, msgspec.DecodeError):
        return {}


def note(folder: Path, model: str, stamps: Mapping[str, Stamp]) -> None:
    """Note this of a model's files, in a store that can be written; else it is found out again."""
    place = _place(folder, model)
    beside = place.with_name(f"{place.name}.{os.getpid()}.part")
    with suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        beside.write_bytes(msgspec.json.encode(stamps))
        beside.replace(place)


def _place(folder: Path, model: str) -> Path:
    return folder / ".verified" / f"{model}.json"
