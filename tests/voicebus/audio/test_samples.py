"""The recordings that ship with the project."""

from __future__ import annotations

import tomllib

import pytest

from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.loudness import first_audible_sample, last_speech_sample
from voicebus.audio.wav import read_wav

LISTED = tomllib.loads((SAMPLES / "samples.toml").read_text(encoding="utf-8"))["sample"]


def test_every_sample_is_listed_and_attributed() -> None:
    """No recording lies there without its text and its origin."""
    files = {path.name for path in SAMPLES.glob("*.wav")}
    attribution = (SAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")

    assert files == {sample["file"] for sample in LISTED}
    assert all(name in attribution for name in files)


@pytest.mark.parametrize("sample", LISTED, ids=lambda sample: str(sample["file"]))
def test_a_sample_is_speech_at_16_khz_of_the_listed_length(sample: dict[str, str]) -> None:
    """The list tells the truth about the files."""
    rate_hz, samples = read_wav(SAMPLES / sample["file"])
    first, last = first_audible_sample(samples, rate_hz), last_speech_sample(samples, rate_hz)

    assert rate_hz == 16000
    assert samples.size / rate_hz == pytest.approx(float(sample["seconds"]), abs=0.01)
    assert first is not None
    assert last is not None
    assert last - first > samples.size / 2
    assert 2 <= len(sample["text"].split()) / (samples.size / rate_hz) <= 4
