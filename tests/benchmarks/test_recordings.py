from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.recordings import LONGEST_S, recordings, trimmed
from voicebus.audio.wav import write_wav
from voicebus.errors import ConfigError

RATE_HZ = 16_000


def test_a_recording_ends_with_its_last_word() -> None:
    """The room's noise behind the speech would make every answer look faster."""
    chance = np.random.default_rng(1)
    room = chance.normal(0, 150, 2 * RATE_HZ)  # -47 dBFS: above what counts as silence
    room[: int(1.5 * RATE_HZ)] += 8000 * np.sin(np.arange(int(1.5 * RATE_HZ)) * 0.1)

    kept = trimmed(room.astype(np.int16))

    assert len(kept) / RATE_HZ == pytest.approx(1.5, abs=0.011)


def test_silence_stays_as_it_is() -> None:
    """There is no last word to end with."""
    assert len(trimmed(np.zeros(RATE_HZ, np.int16))) == RATE_HZ


def test_the_projects_own_samples_are_spoken_by_default() -> None:
    """A clean clone has something to say, and the longest sample is left out."""
    found = recordings()

    assert [recording.name for recording in found] == ["austen-amiable", "austen-disposition"]
    assert all(len(recording.samples) <= LONGEST_S * RATE_HZ for recording in found)


def test_recordings_of_another_rate_are_brought_to_the_callers(tmp_path: Path) -> None:
    """Telephone recordings have 8 kHz."""
    tone = (8000 * np.sin(np.arange(8_000) * 0.3)).astype(np.int16)
    write_wav(tmp_path / "tone.wav", tone, 8_000)

    (found,) = recordings(tmp_path)

    assert len(found.samples) / RATE_HZ == pytest.approx(1.0, abs=0.03)
    assert len(found.first(0.25).samples) == RATE_HZ // 4


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    """A benchmark that says nothing measures nothing."""
    with pytest.raises(ConfigError, match="no WAV file"):
        recordings(tmp_path)
