"""The keys of an edge, while their file changes under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from edge.keys import Keys
from tests.workers import until
from voicebus import metrics
from voicebus.errors import AccessDenied, ConfigError
from voicebus.keys import Allowance, Key, add_key, new_key, read_keys, revoke_key


def made(path: Path, name: str = "phone") -> tuple[str, Key]:
    """A key that is in the file."""
    secret, key = new_key(name, Allowance())
    add_key(path, key)
    return secret, key


@asynccontextmanager
async def followed(path: Path) -> AsyncIterator[Keys]:
    """Keys that are read again when they change."""
    keys = Keys(path)
    following = asyncio.create_task(keys.follow())
    try:
        yield keys
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def is_good(keys: Keys, secret: str) -> Callable[[], bool]:
    """Whether a key opens."""

    def asked() -> bool:
        with suppress(AccessDenied):
            return bool(keys.find(secret).id)
        return False

    return asked


async def test_a_file_that_appears_closes_the_door(tmp_path: Path) -> None:
    """From then on a key is needed; no file is no key, and none is needed."""
    path = tmp_path / "keys.json"
    async with followed(path) as keys:
        assert not keys.are_needed
        secret, _ = made(path)
        await until(lambda: keys.are_needed, 10)
        assert is_good(keys, secret)()


async def test_what_is_added_and_revoked_counts(tmp_path: Path) -> None:
    """For new callers, and for those who are inside."""
    path = tmp_path / "keys.json"
    first, stored = made(path)
    async with followed(path) as keys:
        second, _ = made(path, "web")
        await until(is_good(keys, second), 10)
        assert keys.current(stored) == stored
        revoke_key(path, "phone")
        await until(lambda: keys.current(stored) is None, 10)
        assert not is_good(keys, first)()
        assert is_good(keys, second)()


@pytest.mark.parametrize("damage", ["gone", "empty", "half", "a folder"])
async def test_a_damaged_file_opens_nothing_and_shuts_nobody_out(
    tmp_path: Path, damage: str
) -> None:
    """The last good keys count, it is said, and a file that is mended is read again."""
    path = tmp_path / "keys.json"
    secret, _ = made(path)
    good = path.read_bytes()
    async with followed(path) as keys:
        path.unlink()
        if damage == "a folder":
            path.mkdir()
        elif damage != "gone":
            path.write_bytes(good[: len(good) // 2] if damage == "half" else b"")
        await until(lambda: metrics.KEYS_UNREADABLE._value.get() == 1, 10)
        assert keys.are_needed
        assert is_good(keys, secret)()
        if damage == "a folder":
            path.rmdir()
        path.write_bytes(good)
        other, _ = made(path, "web")
        await until(is_good(keys, other), 10)
        await until(lambda: metrics.KEYS_UNREADABLE._value.get() == 0, 10)
    assert len(read_keys(path)) == 2


def test_a_damaged_file_stops_the_start(tmp_path: Path) -> None:
    """Nobody knows then who may come in."""
    (tmp_path / "keys.json").write_text("{")

    with pytest.raises(ConfigError, match=r"keys\.json"):
        Keys(tmp_path / "keys.json")


def test_an_empty_list_lets_nobody_in(tmp_path: Path) -> None:
    """All keys revoked is not the same as no keys."""
    path = tmp_path / "keys.json"
    path.write_text('{"version":1,"keys":[]}')

    assert Keys(path).are_needed
    with pytest.raises(AccessDenied):
        Keys(path).find(new_key("x", Allowance())[0])
