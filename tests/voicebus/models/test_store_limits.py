"""What the model store says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voicebus.models.place import (
    Notes,
    Place,
    file_of,
    index_at,
    lock_of,
    store_at,
)
from voicebus.errors import ModelError
from voicebus.models import ModelStore, default_folder
from voicebus.models.sources import Hub


def test_a_full_disk_is_told_before_the_download_with_both_figures(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """No byte is fetched that has no room."""
    place.put_on_hub("m.bin", weights)
    lock = lock_of(file_of("m.bin", weights, hub="m.bin"))
    store = ModelStore(
        tmp_path, lock, Hub(place.url), index_at(place.url), free=lambda _: 2_000_000
    )

    with pytest.raises(ModelError, match=r"36\.6 MB needed, 2\.0 MB free"):
        store.pull(["voice"], notes)

    assert place.asked == []


def test_the_space_of_all_files_together_is_checked_first(
    tmp_path: Path, place: Place, notes: Notes, weights: bytes
) -> None:
    """Two files of which only one fits: none is begun."""
    place.put_on_hub("m.bin", weights)
    place.put_on_hub("n.bin", weights)
    files = (file_of("m.bin", weights, hub="m.bin"), file_of("n.bin", weights, hub="n.bin"))
    store = ModelStore(
        tmp_path, lock_of(*files), Hub(place.url), index_at(place.url), free=lambda _: 37_000_000
    )

    with pytest.raises(ModelError, match="Not enough space"):
        store.pull(["voice"], notes)

    assert place.asked == []


def test_a_folder_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, place: Place, notes: Notes
) -> None:
    """An error of the system during a pull names the folder and the cause."""
    place.put_on_hub("m.bin", b"bytes")
    store = store_at(tmp_path, lock_of(file_of("m.bin", b"bytes", hub="m.bin")), place)
    (tmp_path / ".partial").write_text("in the way")

    with pytest.raises(ModelError, match="cannot be written"):
        store.pull(["voice"], notes)


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(
    tmp_path: Path, place: Place, notes: Notes
) -> None:
    """Names are looked up; a path in their place goes nowhere."""
    store = store_at(tmp_path, lock_of(file_of("m.bin", b"x", hub="m.bin")), place)

    with pytest.raises(ModelError, match=r"no model named nope\. The lock file has: voice"):
        store.pull(["nope"], notes)
    with pytest.raises(ModelError, match=r"no model named '\.\./\.\./etc'"):
        store.path("../../etc")


def test_path_of_a_missing_model_says_the_command_to_run(tmp_path: Path, place: Place) -> None:
    """The error of a worker without its model is its own remedy."""
    store = store_at(tmp_path, lock_of(file_of("m.bin", b"x", hub="m.bin")), place)

    with pytest.raises(ModelError, match=f"voicebus models pull voice --dir {tmp_path}"):
        store.path("voice")
    assert store.list()[0].state == "absent"


def test_the_default_folder_follows_the_environment() -> None:
    """An explicit folder comes before XDG, XDG before the home folder."""
    xdg = {"XDG_DATA_HOME": "/data"}

    assert default_folder({"VOICEBUS_MODELS_DIR": "/models", **xdg}) == Path("/models")
    assert default_folder(xdg) == Path("/data/voicebus/models")
    assert default_folder({}) == Path.home() / ".local/share/voicebus/models"
