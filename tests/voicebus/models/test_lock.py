"""Tests of the lock file."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebus.errors import ModelError
from voicebus.models import load_lock, lock_path

GOOD = """
[[wheel]]
name = "box"
version = "1.0"
size_bytes = 10
sha256 = "{sha}"
[[model]]
name = "voice"
purpose = "a test"
licence = "MIT"
homepage = "https://example.org"
[[model.files]]
path = "m.bin"
size_bytes = 3
sha256 = "{sha}"
sources = [{{ kind = "wheel", members = [{{ wheel = "box", path = "m.bin" }}] }}]
""".format(sha="a" * 64)


def test_the_projects_own_lock_has_the_embedded_defaults() -> None:
    """What a bare machine pulls is one model for each stage."""
    lock = load_lock(lock_path())

    assert lock.default_names == (
        "whisper-base",
        "silero-vad",
        "smart-turn-v3.2",
        "smollm2-135m-instruct-q4_1",
        "piper-en_US-joe-medium",
    )
    assert "whisper-tiny.en" in lock.names


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ('name = "voice"', 'name = "../voice"', "regex"),
        ('path = "m.bin"\nsize', 'path = "../m.bin"\nsize', "leaves the model's folder"),
        ('path = "m.bin"\nsize', 'path = "/m.bin"\nsize', "leaves the model's folder"),
        ("size_bytes = 3", "size_bytes = 0", "size_bytes"),
        (f'"{"a" * 64}"\nsources', '"abc"\nsources', "sha256"),
        ('wheel = "box"', 'wheel = "bag"', "names no declared wheel: bag"),
        ('licence = "MIT"', 'license = "MIT"', "license"),
        ("[[model]]", "[[model", "wrong"),
    ],
)
def test_a_lock_file_that_cannot_be_meant_is_refused(
    right: str, wrong: str, words: str, tmp_path: Path
) -> None:
    """A wrong lock file stops before anything is fetched."""
    path = tmp_path / "models.lock.toml"
    assert right in GOOD
    path.write_text(GOOD.replace(right, wrong))

    with pytest.raises(ModelError, match=words):
        load_lock(path)


def test_a_good_lock_file_loads_and_a_missing_one_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    path = tmp_path / "models.lock.toml"
    with pytest.raises(ModelError, match=str(path)):
        load_lock(path)
    path.write_text(GOOD)

    assert load_lock(path).names == ("voice",)
