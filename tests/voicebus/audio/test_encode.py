"""Files that are made while their audio comes."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from voicebus.audio.encode import FORMATS, encoded, encoder

RATE_HZ = 24_000
CHUNK = RATE_HZ // 10
TONE = (8_000 * np.cos(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.int16)
CHUNKS = [TONE[first : first + CHUNK].tobytes() for first in range(0, len(TONE), CHUNK)]
FILES = [name for name in FORMATS if name != "pcm"]
LOSSLESS = ("flac", "wav")


def made(name: str, chunks: list[bytes]) -> list[bytes]:
    """What comes out for each chunk, and at the end."""
    making = encoder(name, RATE_HZ)
    pieces = [*(making.push(chunk) for chunk in chunks), making.finish()]
    making.close()
    return pieces


def heard(data: bytes) -> tuple[float, np.ndarray]:
    """The length in seconds and the samples of a file, read by FFmpeg."""
    with av.open(io.BytesIO(data), "r") as container:
        frames = list(container.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    return len(samples) / frames[0].sample_rate, samples


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_what_was_pushed(name: str) -> None:
    """All of it, and the tone that it was; codecs may add a frame of their own."""
    seconds, samples = heard(b"".join(made(name, CHUNKS)))
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))

    assert 2.0 <= seconds < 2.2
    assert np.argmax(spectrum) / seconds == pytest.approx(440, abs=2)


@pytest.mark.parametrize("name", LOSSLESS)
def test_nothing_is_lost_where_nothing_may_be(name: str) -> None:
    """Sample by sample."""
    _, samples = heard(b"".join(made(name, CHUNKS)))

    assert np.array_equal(samples, TONE)


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_come_while_the_audio_does(name: str) -> None:
    """Nine tenths of the file are out before its end, and something comes for most chunks."""
    *pieces, _ = out = made(name, CHUNKS)

    assert sum(map(len, pieces)) > 0.9 * sum(map(len, out))
    assert sum(bool(piece) for piece in pieces) > len(pieces) / 2


@pytest.mark.parametrize("name", FILES)
def test_a_beginning_can_be_played_by_itself(name: str) -> None:
    """A player that has the first second hears it, whatever follows."""
    seconds, _ = heard(b"".join(made(name, CHUNKS)[:10]))

    assert seconds > 0.7


def test_mp3_files_can_be_joined() -> None:
    """They are nothing but frames: no tag at the front, no length to be corrected."""
    one = b"".join(made("mp3", CHUNKS))

    seconds, _ = heard(one + one)

    assert one[:2] == b"\xff\xf3"
    assert seconds == pytest.approx(2 * heard(one)[0], abs=0.01)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_may_be_empty_or_given_up(name: str) -> None:
    """Nothing was said, or nobody listens any more: neither is an error."""
    empty = made(name, [])
    given_up = encoder(name, RATE_HZ)
    begun = given_up.push(CHUNKS[0])
    given_up.close()

    assert len(empty) == 1
    assert isinstance(begun, bytes)


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_sounds_as_its_pieces_do(name: str) -> None:
    """Whether the audio was there at once or came bit by bit."""
    _, whole = heard(encoded(TONE.tobytes(), name, RATE_HZ))
    _, joined = heard(b"".join(made(name, CHUNKS)))

    assert np.array_equal(whole, joined)
