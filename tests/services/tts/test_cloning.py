"""Samples that are to become a voice, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.tts.cloning import read_samples
from voicebus.audio.wav import read_wav, wav_header, write_wav
from voicebus.errors import AudioError, AudioTooLong, CorruptAudio, UnsupportedAudio
from voicebus.parts import project_root

pytestmark = pytest.mark.model
SAMPLES = project_root() / "examples" / "samples"
RATE_HZ = 16_000


def test_speech_is_taken() -> None:
    """What was recorded, at its own rate, and how much of it is speech."""
    heard = read_samples([SAMPLES / "austen-leisure.wav", SAMPLES / "austen-amiable.wav"])

    assert [rate_hz for rate_hz, _ in heard.samples] == [16_000, 16_000]
    total_s = sum(len(samples) for _, samples in heard.samples) / RATE_HZ
    assert 0.5 * total_s < heard.seconds <= total_s


@pytest.mark.parametrize("sound", ["silence", "noise", "tone"])
def test_a_sample_that_is_no_speech_is_named(tmp_path: Path, sound: str) -> None:
    """It would make a voice of nothing."""
    time_s = np.arange(8 * RATE_HZ) / RATE_HZ
    made = {
        "silence": np.zeros(len(time_s)),
        "noise": np.random.default_rng(1).normal(0, 3_000, len(time_s)),
        "tone": 8_000 * np.sin(2 * np.pi * 440 * time_s),
    }
    write_wav(tmp_path / "odd.wav", made[sound].astype(np.int16), RATE_HZ)

    with pytest.raises(UnsupportedAudio, match=r"odd.wav: nobody speaks in it"):
        read_samples([SAMPLES / "austen-leisure.wav", tmp_path / "odd.wav"])


def test_too_little_speech_is_no_voice(tmp_path: Path) -> None:
    """A second of it says little of a voice."""
    rate_hz, samples = read_wav(SAMPLES / "austen-leisure.wav")
    write_wav(tmp_path / "short.wav", samples[: 2 * rate_hz], rate_hz)

    with pytest.raises(UnsupportedAudio, match="too little for a voice: 3 s at least"):
        read_samples([tmp_path / "short.wav"])


def test_a_sample_of_ten_hours_is_refused_unread(tmp_path: Path) -> None:
    """By its size: it may be larger than the memory."""
    path = tmp_path / "day.wav"
    size = 10 * 3600 * RATE_HZ * 2
    with path.open("wb") as file:
        file.write(wav_header(RATE_HZ, size))
        file.truncate(44 + size)

    with pytest.raises(AudioTooLong, match="1098 MB are more than ten minutes"):
        read_samples([path])


def test_many_samples_have_the_same_limit(tmp_path: Path) -> None:
    """Eleven minutes are too many, in one file or several."""
    write_wav(tmp_path / "long.wav", np.zeros(11 * 60 * 8_000, np.int16), 8_000)

    with pytest.raises(AudioTooLong, match="more than 10 minutes"):
        read_samples([tmp_path / "long.wav"])


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (None, UnsupportedAudio),
        (b"", UnsupportedAudio),
        (b"no audio at all", UnsupportedAudio),
        (wav_header(RATE_HZ, 0), CorruptAudio),
    ],
)
def test_a_file_that_is_no_sample_is_named(
    tmp_path: Path, data: bytes | None, error: type[AudioError]
) -> None:
    """Missing, empty or of another kind."""
    if data is not None:
        (tmp_path / "odd.wav").write_bytes(data)

    with pytest.raises(error, match=r"odd\.wav: "):
        read_samples([tmp_path / "odd.wav"])
