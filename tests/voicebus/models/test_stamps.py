"""What a start finds out about model files, and what only a look at every byte does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.voicebus.models.place import Notes, Place, file_of, lock_of, store_at
from voicebus.errors import ModelError
from voicebus.models import ModelStore, store


@pytest.fixture
def filled(tmp_path: Path, place: Place, notes: Notes, weights: bytes) -> ModelStore:
    """A store with one model, which was used once."""
    place.put_on_hub("m.bin", weights)
    found = store_at(tmp_path, lock_of(file_of("m.bin", weights, hub="m.bin")), place)
    found.pull(["voice"], notes)
    found.path("voice")
    return found


def flip(path: Path) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_found_when_the_model_is_used(filled: ModelStore, notes: Notes) -> None:
    """The size is right. It is said which command mends it, and that command does."""
    flip(filled.folder / "voice" / "m.bin")

    with pytest.raises(ModelError, match=r"voice is corrupt \(m\.bin\).* models pull voice"):
        filled.path("voice")
    filled.pull(["voice"], notes)
    assert filled.path("voice") == filled.folder / "voice"


def test_what_was_found_right_is_not_read_again(
    filled: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start takes no longer for a large model, until somebody writes to it."""
    read: list[Path] = []

    def noted(path: Path) -> str:
        """Note it; say that its bytes are others."""
        read.append(path)
        return ""

    monkeypatch.setattr(store, "sha256_of", noted)
    filled.path("voice")
    before = list(read)
    os.utime(filled.folder / "voice" / "m.bin")

    with pytest.raises(ModelError):
        filled.path("voice")
    assert (before, read) == ([], [filled.folder / "voice" / "m.bin"])


def test_what_a_disk_loses_by_itself_is_found_by_verify(filled: ModelStore) -> None:
    """Nobody wrote to the file: a start believes it, until every byte was looked at once."""
    path = filled.folder / "voice" / "m.bin"
    was = path.stat()
    flip(path)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))

    assert filled.path("voice") == filled.folder / "voice"
    assert [state.state for state in filled.verify(["voice"])] == ["corrupt"]
    with pytest.raises(ModelError, match="is corrupt"):
        filled.path("voice")


def test_a_store_that_cannot_be_written_is_read_each_time(filled: ModelStore) -> None:
    """It costs time, and is no error."""
    (filled.folder / ".verified" / "voice.json").unlink()
    (filled.folder / ".verified").rmdir()
    (filled.folder / ".verified").write_text("no folder")

    assert filled.path("voice") == filled.path("voice") == filled.folder / "voice"
