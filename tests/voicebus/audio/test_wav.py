from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.voicebus.audio.recordings import Encoding, encoded, likeness, recording, sentence
from voicebus.audio.wav import parse_wav, read_wav, wav_header, write_wav
from voicebus.errors import CorruptAudio, UnsupportedAudio


def test_a_written_file_is_read_by_others_and_by_us(tmp_path: Path) -> None:
    """What write_wav writes, the standard library and read_wav read back sample for sample."""
    path = tmp_path / "said.wav"

    write_wav(path, sentence(), 22050)

    with wave.open(str(path)) as other:
        assert (other.getframerate(), other.getnchannels(), other.getsampwidth()) == (22050, 1, 2)
        assert other.readframes(other.getnframes()) == sentence().tobytes()
    rate_hz, samples = read_wav(path)
    assert rate_hz == 22050
    assert np.array_equal(samples, sentence())


def test_a_stream_of_unknown_length_is_read_to_its_end() -> None:
    """The header of a reply that is still being spoken promises no length."""
    reply = wav_header(24000) + sentence().tobytes()

    rate_hz, samples = parse_wav(reply)

    assert rate_hz == 24000
    assert np.array_equal(samples, sentence())
    assert len(wav_header(24000)) == 44


def test_stereo_is_mixed_to_one_channel() -> None:
    """Several channels become their mean."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.array([[100, 300], [-7, 7]], dtype="<i2").tobytes())

    assert parse_wav(out.getvalue())[1].tolist() == [200, 0]


def test_chunks_before_the_samples_are_skipped() -> None:
    """A file by another program, with texts before its samples, is the same recording."""
    rate_hz, samples = parse_wav(recording("wav-s16"))

    assert rate_hz == 16000
    assert likeness(samples, sentence()) > 0.999


@pytest.mark.parametrize("cut", range(0, 44, 5))
def test_a_cut_header_is_an_error_with_a_sentence(cut: int) -> None:
    """Wherever the header ends too early, an AudioError says so."""
    with pytest.raises((CorruptAudio, UnsupportedAudio), match="WAV"):
        parse_wav(wav_header(16000, 100)[:cut])


def test_other_kinds_of_wav_are_named() -> None:
    """Formats that need a decoder are refused by name."""
    with pytest.raises(UnsupportedAudio, match="adpcm_ms"):
        parse_wav(encoded(sentence(), Encoding("wav", "adpcm_ms")))
