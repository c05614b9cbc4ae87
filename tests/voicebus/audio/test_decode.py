from __future__ import annotations

import io
import itertools

import numpy as np
import pytest

from tests.voicebus.audio.recordings import (
    ALL,
    FASTSTART,
    STREAMED,
    Encoding,
    encoded,
    likeness,
    m4a_of_silence,
    recording,
    sentence,
)
from tests.voicebus.audio.test_sniff import NOT_AUDIO
from voicebus.audio.containers import Container
from voicebus.audio.decode import AudioInfo, Decoding, decode_file
from voicebus.audio.source import Memory, Stored
from voicebus.audio.wav import wav_header
from voicebus.errors import AudioTooLong, CorruptAudio, UnsupportedAudio


class Trickle:
    """A source that gives a few bytes at a time and counts them."""

    def __init__(self, data: bytes) -> None:
        self._memory = Memory(data)
        self.read_bytes = 0

    def read(self, size: int, /) -> bytes:
        """Return at most 333 bytes."""
        piece = self._memory.read(min(size, 333))
        self.read_bytes += len(piece)
        return piece


@pytest.mark.parametrize("name", ALL)
def test_every_container_decodes_to_what_was_said(name: str) -> None:
    """The samples are as many (within 60 ms), and the same, as the ones that were encoded."""
    info, heard = decode_file(recording(name))

    assert abs(heard.size - sentence().size) <= 16 * 60
    assert likeness(heard, sentence()) > (0.95 if "mulaw" in name or "16k" in name else 0.97)
    assert info.sample_rate_hz == ALL[name].rate_hz
    assert info.channels == {"mono": 1, "stereo": 2, "5.1": 6}[ALL[name].layout]


@pytest.mark.parametrize("name", STREAMED)
def test_audio_comes_out_before_the_file_is_complete(name: str) -> None:
    """Streamable files are decoded while they arrive, in pieces of 20 to 200 ms."""
    source = Trickle(recording(name))
    pieces = Decoding(source, _container(name), 600).pieces()

    first = next(pieces)

    assert source.read_bytes < len(recording(name)) / 2
    *whole, _ = [first, *pieces]
    assert {640 <= len(piece) <= 6400 for piece in whole} == {True}


def test_a_live_wav_is_not_read_ahead() -> None:
    """The first piece of a WAV needs less than 200 ms of it."""
    source = Trickle(recording("wav-s16"))

    next(Decoding(source, Container.WAV, 600).pieces())

    assert source.read_bytes < 44 + 32000 * 0.2


def test_an_m4a_with_its_index_at_the_end_is_read_whole_first() -> None:
    """Such a file cannot be streamed; it is kept in memory and decoded at its end."""
    source = Trickle(recording("m4a"))
    decoding = Decoding(source, Container.M4A, 600)

    pcm = b"".join(decoding.pieces())

    assert recording("m4a").index(b"moov") > recording("m4a").index(b"mdat")
    assert abs(len(pcm) // 2 - sentence().size) <= 16 * 60
    assert not decoding.truncated


def test_a_stored_m4a_with_its_index_at_the_end_is_read_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of it is kept in memory, so that it may be of any size; it is checked as well."""
    monkeypatch.setattr("voicebus.audio.demux.SPOOL_BYTES", 1_000)
    kept = Decoding(Memory(recording("m4a")), Container.M4A, 600)
    stored = Decoding(Stored(io.BytesIO(recording("m4a"))), Container.M4A, 600)
    bomb = recording("m4a").replace(b"trak", b"cmov")

    pcm = b"".join(stored.pieces())

    assert abs(len(pcm) // 2 - sentence().size) <= 16 * 60
    assert not stored.truncated
    with pytest.raises(AudioTooLong):
        list(kept.pieces())
    with pytest.raises(CorruptAudio):
        list(Decoding(Stored(io.BytesIO(bomb)), Container.M4A, 600).pieces())


def test_an_m4a_of_four_hours_is_read() -> None:
    """The longest that an edge takes: its index has 675,000 frames."""
    hours = m4a_of_silence(4 * 3_600)

    pieces = Decoding(Stored(io.BytesIO(hours)), Container.M4A, 14_400).pieces()

    assert sum(len(piece) for piece in itertools.islice(pieces, 20)) > 20 * 640


def test_what_is_long_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the work grows with what comes of it; what yields nothing has no more of it."""
    passed_s = 0.0

    def thread_time() -> float:
        nonlocal passed_s
        passed_s += 0.001  # a packet of AAC has 23 ms
        return passed_s

    monkeypatch.setattr("voicebus.audio.decode.time.thread_time", thread_time)
    monkeypatch.setattr("voicebus.audio.decode._MAX_CPU_S", 0.02)
    decoding = Decoding(Memory(recording("m4a")), Container.M4A, 600)

    assert abs(len(b"".join(decoding.pieces())) // 2 - sentence().size) <= 16 * 60
    monkeypatch.setattr("voicebus.audio.decode._CPU_SHARE", 0.01)
    with pytest.raises(CorruptAudio, match="too long to decode"):
        list(Decoding(Memory(recording("m4a")), Container.M4A, 600).pieces())


def test_the_info_says_what_the_file_was() -> None:
    """Container, codec, sample rate and channels are those of the file, not of the output."""
    info, _ = decode_file(recording("webm-opus"))

    assert info == AudioInfo(Container.WEBM, "opus", 48000, 2)


@pytest.mark.parametrize("declared", [None, 0])
def test_a_wav_of_unknown_length_is_decoded_to_its_end(declared: int | None) -> None:
    """A WAV that was written as a stream does not know its length, and is not truncated."""
    pcm = sentence().tobytes()
    decoding = Decoding(Memory(wav_header(16000, declared) + pcm), Container.WAV, 600)

    assert b"".join(decoding.pieces()) == pcm
    assert not decoding.truncated


def test_what_follows_the_samples_of_a_wav_is_not_audio() -> None:
    """A WAV may end with texts about it; they are not played."""
    pcm = sentence().tobytes()
    file = wav_header(16000, len(pcm)) + pcm + b"LIST\x10\x00\x00\x00INFOISFT" + b"x" * 5000

    assert decode_file(file)[1].tobytes() == pcm


@pytest.mark.parametrize("name", NOT_AUDIO)
def test_files_that_are_not_audio_are_unsupported(name: str) -> None:
    """Nothing but the accepted containers reaches a decoder."""
    with pytest.raises(UnsupportedAudio):
        decode_file(NOT_AUDIO[name])


@pytest.mark.parametrize("name", NOT_AUDIO)
@pytest.mark.parametrize("container", [c for c in Container if c is not Container.PCM])
def test_a_forced_container_opens_nothing_else(container: Container, name: str) -> None:
    """Even past the sniffer, playlists and session descriptions open no file and no socket."""
    with pytest.raises(CorruptAudio):
        list(Decoding(Memory(NOT_AUDIO[name] * 40), container, 600).pieces())


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        (Encoding("wav", "adpcm_ms"), "adpcm_ms"),
        (Encoding("matroska", "ac3", 48000), "ac3"),
        (Encoding("mp4", "alac", 48000, options=FASTSTART), "alac"),
        (Encoding("mp4", "ac3", 48000), "ac3"),
    ],
)
def test_an_unknown_codec_is_named(encoding: Encoding, codec: str) -> None:
    """A known container with another codec is unsupported, and the sentence says which."""
    with pytest.raises(UnsupportedAudio, match=codec):
        decode_file(encoded(sentence(), encoding))


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(16000, 9), (16000, 0), (384000, 1), (0, 1), (1, 1)]
)
def test_absurd_shapes_are_refused(rate_hz: int, channels: int) -> None:
    """More than 8 channels, more than 192 kHz, or nearly no sample rate are not accepted."""
    header = bytearray(wav_header(16000))
    header[22:24] = channels.to_bytes(2, "little")
    header[24:28] = rate_hz.to_bytes(4, "little")

    with pytest.raises(UnsupportedAudio):
        decode_file(bytes(header) + bytes(32000))


def test_a_container_without_audio_is_corrupt() -> None:
    """A header with no samples behind it is no recording."""
    for data in (b"", wav_header(16000, 0), wav_header(16000)[:30], recording("m4a")[:40]):
        with pytest.raises(CorruptAudio):
            list(
                Decoding(Memory(data), _container("m4a" if b"ftyp" in data else "wav"), 9).pieces()
            )


def test_a_long_file_stops_at_the_limit() -> None:
    """What comes before the limit is decoded, then AudioTooLong says how long it may be."""
    decoding = Decoding(Memory(recording("mp3")), Container.MP3, 2.0)
    heard: list[bytes] = []

    with pytest.raises(AudioTooLong, match="2 seconds"):
        heard.extend(decoding.pieces())

    assert 1.9 <= len(b"".join(heard)) / 32000 <= 2.0


@pytest.mark.parametrize("name", ["wav-s16", "webm-opus", "flac", "m4a-index-first"])
def test_a_truncated_file_gives_what_is_there_and_says_so(name: str) -> None:
    """Half a file is half a recording, and known to be where the container states its length."""
    data = recording(name)
    decoding = Decoding(Memory(data[: len(data) // 2]), _container(name), 600)

    heard = np.frombuffer(b"".join(decoding.pieces()), dtype=np.int16)

    assert 0.3 < heard.size / sentence().size < 0.7
    assert likeness(heard, sentence()[: heard.size]) > 0.95
    assert decoding.truncated


@pytest.mark.parametrize("name", ALL)
def test_a_complete_file_is_not_called_truncated(name: str) -> None:
    """The sign of truncation is not raised by sound files."""
    decoding = Decoding(Memory(recording(name)), _container(name), 600)

    list(decoding.pieces())

    assert not decoding.truncated


def _container(name: str) -> Container:
    return Container(name.split("-", maxsplit=1)[0])
