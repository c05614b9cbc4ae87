"""API keys of the edge: who may come in, and with which share.

The file holds no key, only the SHA-256 of each: a key has 256 bits of randomness, so that there is
nothing to guess and no slow hash is needed. The part between the underscores is the key's public
name, which may stand in logs::

    vb_3f9a2c1b_5d0c…   id, then the secret
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from voicebus.errors import AccessDenied, ConfigError
from voicebus.settings import PREFIX

SECRET: Final = re.compile(r"vb_[0-9a-f]{8}_[0-9a-f]{64}")
"""What a key looks like."""

FILE_VARIABLE: Final = f"{PREFIX}EDGE_KEYS_FILE"

Share = Annotated[int, Meta(ge=0)]
"""A limit; 0 for none."""


class Allowance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One caller's share of an edge process. What is None is as the edge's settings say.

    Fields
        sessions: Sessions at once.
        connections_per_min: Connections and requests in a minute.
        audio_s_per_min: Seconds of audio sent in a minute, files and live speech together.
        turns_per_min: Turns begun in a minute.
        tokens_per_min: Tokens of replies in a minute, those begun early included.
    """

    sessions: Share | None = None
    connections_per_min: Share | None = None
    audio_s_per_min: Share | None = None
    turns_per_min: Share | None = None
    tokens_per_min: Share | None = None

    def over(self, default: Allowance) -> Allowance:
        """Return this one, and the other where this says nothing."""
        mine, other = msgspec.structs.asdict(self), msgspec.structs.asdict(default)
        return Allowance(**{k: other[k] if v is None else v for k, v in mine.items()})


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key as it is stored.

    Fields
        id: Its public part.
        name: Whose it is, for people.
        sha256: Hash of the whole key, in hexadecimal digits.
        created: When, as ISO 8601 in UTC.
        revoked: When it was taken back; empty while it is good.
        allowance: Its share.
    """

    id: str
    name: str
    sha256: str
    created: str
    revoked: str = ""
    allowance: Allowance = Allowance()


class _File(Struct, kw_only=True):
    version: int = 1
    keys: list[Key] = []


def keys_file(environ: Mapping[str, str]) -> Path:
    """Return where the keys are: ``VOICEBUS_EDGE_KEYS_FILE``, else in the user's data folder.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if chosen := environ.get(FILE_VARIABLE):
        return Path(chosen).expanduser()
    data = environ.get("XDG_DATA_HOME", "")
    root = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return root / "voicebus" / "keys.json"


def new_key(name: str, allowance: Allowance) -> tuple[str, Key]:
    """Make a key; return it, which is nowhere else, and what is stored of it."""
    number = secrets.token_hex(4)
    secret = f"vb_{number}_{secrets.token_hex(32)}"
    stored = Key(id=number, name=name, sha256=_hash(secret), created=_now(), allowance=allowance)
    return secret, stored


def find(keys: Mapping[str, Key], presented: str) -> Key:
    """Return the key that a caller presented, in a time that does not tell how much was right.

    Args:
        keys: By id.
        presented: What the caller sent.

    Raises:
        AccessDenied: It is no key of ours, or it was revoked.
    """
    known = keys.get(presented[3:11]) if SECRET.fullmatch(presented) else None
    stored = known.sha256 if known is not None else "0" * 64
    fits = hmac.compare_digest(_hash(presented), stored)
    if known is None or not fits:
        raise AccessDenied("this key is not known here", "key_unknown")
    if known.revoked:
        raise AccessDenied("this key was revoked", "key_revoked")
    return known


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read the file.

    Raises:
        FileNotFoundError: There is none.
        ConfigError: It cannot be read, or is not what `voicebus keys` writes.
    """
    try:
        return tuple(msgspec.json.decode(path.read_bytes(), type=_File).keys)
    except FileNotFoundError:
        raise
    except (OSError, msgspec.DecodeError) as err:
        raise ConfigError(f"the keys in {path} cannot be read: {err}") from err


def add_key(path: Path, key: Key) -> None:
    """Add a key to the file, which is made where there is none.

    Raises:
        ConfigError: The file cannot be read or written, or a good key has this name.
    """
    with _edited(path) as keys:
        if any(other.name == key.name and not other.revoked for other in keys):
            raise ConfigError(f"there is a key with the name {key.name}: revoke it first")
        keys.append(key)


def revoke_key(path: Path, wanted: str) -> Key:
    """Take a key back, by its id or name; return what is stored of it.

    Raises:
        ConfigError: The file cannot be read or written, or there is no such key.
    """
    with _edited(path) as keys:
        for index, key in enumerate(keys):
            if wanted in {key.id, key.name} and not key.revoked:
                keys[index] = msgspec.structs.replace(key, revoked=_now())
                return keys[index]
        raise ConfigError(f"there is no good key with the id or name {wanted}")


@contextmanager
def _edited(path: Path) -> Iterator[list[Key]]:
    """Give the keys to change, and put the new file in the old one's place in one step."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = list(read_keys(path)) if path.exists() else []
            yield keys
            _replace(path, msgspec.json.format(msgspec.json.encode(_File(keys=keys)), indent=2))
    except OSError as err:
        raise ConfigError(f"{path} cannot be written: {err.strerror or err}") from err


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        with suppress(FileNotFoundError):
            # The edge that reads it may be another user than who changes it.
            old = path.stat()
            os.fchown(out.fileno(), old.st_uid, old.st_gid)
            os.fchmod(out.fileno(), old.st_mode & 0o777)
        out.write(data + b"\n")
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
