from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import prompts
from tests.benchmarks.speech import quiet, tone
from voicebus.audio.wav import write_wav
from voicebus.errors import ConfigError


def manifest(folder: Path, *lines: str) -> Path:
    """A list of recordings."""
    path = folder / "list.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("Please try again.", True),
        ("Which folder should I save it to?", True),
        ("To exit the menu...", False),
        ("...to exit the menu.", False),
        ("is on the phone", False),
        ("You are entering conference number", False),
    ],
)
def test_whole_sentences_are_told_from_parts(text: str, whole: bool) -> None:
    """A part of a sentence sounds as if it went on, and to wait behind it is right."""
    assert prompts.is_sentence(text) is whole


def test_a_list_is_read_with_what_is_known_of_its_gaps(tmp_path: Path) -> None:
    """Files are brought to 16 kHz and cut to their speech; parts of sentences are left out."""
    spoken = np.concatenate([quiet(200), tone(2000), quiet(300)])
    write_wav(tmp_path / "one.wav", spoken[::2].copy(), 8_000)
    write_wav(tmp_path / "two.wav", spoken, 16_000)
    listed = manifest(
        tmp_path,
        "# where they are from",
        "file\tseconds\ttext\tgaps_ms",
        "one.wav\t2.5\tIt is a sentence.\t700 1200",
        "two.wav\t2.5\tonly a part of one\t",
        "gone.wav\t2.5\tIt is not there.\t",
    )

    (found,) = prompts.read_prompts(listed, tmp_path)

    assert (found.name, found.text, found.gaps_ms) == ("one", "It is a sentence.", (700, 1200))
    assert found.seconds == pytest.approx(2.0, abs=0.05)


def test_a_list_without_gaps_knows_none(tmp_path: Path) -> None:
    """Anybody's list of recordings and texts will do."""
    write_wav(tmp_path / "one.wav", tone(2000), 16_000)
    listed = manifest(tmp_path, "file\tseconds\ttext", "one.wav\t2\tIt is a sentence.")

    assert prompts.read_prompts(listed, tmp_path)[0].gaps_ms is None


def test_recordings_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    """Who lacks the package is told which one it is."""
    listed = manifest(tmp_path, "file\tseconds\ttext", "gone.wav\t2\tIt is not there.")

    with pytest.raises(ConfigError, match="apt-get install"):
        prompts.read_prompts(listed, tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        prompts.read_prompts(tmp_path / "no.tsv", tmp_path)


def test_the_project_has_backchannels_and_sentences_of_its_own() -> None:
    """They are short words, and sentences of bearable length."""
    words = prompts.backchannels()

    assert [word.text for word in words] == ["i see", "okay", "right", "yeah", "yes"]
    assert all(0.1 < word.seconds < 0.8 for word in words)
    assert len(prompts.project_samples()) == 2
