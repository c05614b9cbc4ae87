"""Files that were made to hurt."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from tests.voicebus.audio.recordings import ALL, Encoding, encoded, recording, sentence
from voicebus.audio.containers import Container
from voicebus.audio.decode import Decoding, decode_file
from voicebus.errors import AudioError, AudioTooLong, CorruptAudio

FUZZED = ("wav-s16", "wav-s24", "ogg-opus", "webm-opus", "mp3", "m4a", "m4a-fragments", "flac")
SHORT = sentence()[:24000]


def expect_audio_or_refusal(data: bytes) -> None:
    """Decode a file within 5 s; nothing but an AudioError may come out of it."""
    started_s = time.perf_counter()
    with suppress(AudioError):
        _, heard = decode_file(data, 60.0)
        assert heard.size <= 61 * 16000
    assert time.perf_counter() - started_s < 5


@pytest.mark.parametrize("name", FUZZED)
def test_flipped_bits_end_in_audio_or_in_an_audio_error(name: str) -> None:
    """25 seeded variants of each container, 200 in all, half of them damaged in the header."""
    whole = encoded(SHORT, ALL[name])

    for seed in range(25):
        dice = random.Random(f"{name} {seed}")
        data = bytearray(whole)
        reach = len(data) if seed % 2 else min(len(data), 1024)
        for _ in range(dice.choice((1, 4, 16, 64))):
            data[dice.randrange(reach)] ^= 1 << dice.randrange(8)
        expect_audio_or_refusal(bytes(data))


@pytest.mark.parametrize("name", ALL)
def test_a_file_cut_anywhere_ends(name: str) -> None:
    """Truncation at each 1/64 of a file, and in its first bytes, never hangs."""
    data = encoded(SHORT, ALL[name])
    cuts = {*range(0, 64, 3), *(len(data) * part // 64 for part in range(64))}

    for cut in sorted(cuts):
        expect_audio_or_refusal(data[:cut])


def test_a_file_of_noise_behind_a_magic_word_ends() -> None:
    """The first bytes of a container do not make the rest decodable."""
    noise = random.Random(7).randbytes(200_000)

    for name in ALL:
        expect_audio_or_refusal(recording(name)[:48] + noise)


def hour_of_silence() -> bytes:
    """An hour of digital silence in about half a megabyte of FLAC."""
    return encoded(np.zeros(3600 * 16000, dtype=np.int16), Encoding("flac", "flac"))


_MEASURE = """
import re, sys
from pathlib import Path
from voicebus.audio.containers import Container
from voicebus.audio.decode import Decoding
from voicebus.audio.source import Memory
from voicebus.errors import AudioError

def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

data = sys.stdin.buffer.read()
before_kb, seconds = peak_kb(), 0
try:
    for piece in Decoding(Memory(data), Container(sys.argv[1]), 600.0).pieces():
        seconds += len(piece) / 32000
except AudioError as err:
    print(type(err).__name__, seconds, peak_kb() - before_kb)
"""


def error_seconds_and_kilobytes(container: Container, data: bytes) -> tuple[str, float, int]:
    """Decode in a process of its own; say how it ended, after how much audio, with which peak."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, container], input=data, capture_output=True, check=True
    )
    error, seconds, kilobytes = done.stdout.splitlines()[-1].split()
    return error.decode(), float(seconds), int(kilobytes)


def test_an_hour_of_silence_stops_at_the_limit_in_little_memory() -> None:
    """A decode bomb costs the limit of seconds and no more: it is decoded piece by piece."""
    bomb = hour_of_silence()

    error, seconds, kilobytes = error_seconds_and_kilobytes(Container.FLAC, bomb)

    assert len(bomb) < 2_000_000
    assert error == "AudioTooLong"
    assert 598 < seconds <= 600
    assert kilobytes < 30_000


@pytest.mark.parametrize("table", ["stsz", "trun"])
def test_an_m4a_that_promises_millions_of_samples_costs_no_memory(table: str) -> None:
    """A table of an index that says 16 million is refused before room is made for it."""
    name, at = {"stsz": ("m4a", 8), "trun": ("m4a-fragments", 8)}[table]
    bomb = bytearray(encoded(SHORT, ALL[name]))
    place = bomb.index(table.encode())
    if table == "stsz":
        bomb[place + at : place + at + 8] = struct.pack(">II", 1, 1 << 24)
        for other, skip in (("stsc", 16), ("stts", 12)):
            row = bomb.index(other.encode()) + skip
            bomb[row : row + 4] = struct.pack(">I", 1 << 24)
    else:
        bomb[place + 4 : place + at + 4] = struct.pack(">II", 1, 1 << 24)

    error, _, kilobytes = error_seconds_and_kilobytes(Container.M4A, bytes(bomb))

    assert error == "CorruptAudio"
    assert kilobytes < 30_000


def test_an_endless_id3_tag_is_not_kept() -> None:
    """A tag of 256 MB before the first frame is thrown away as it comes."""
    tag = b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f"

    with pytest.raises(CorruptAudio):
        decode_file(tag + bytes(1_000_000))


def test_bytes_without_audio_are_not_read_for_ever() -> None:
    """A container that goes on for 32 MiB with nothing to hear in it is given up."""

    class Endless:
        def __init__(self) -> None:
            self.read_bytes = 0
            self._head = recording("mp3")[:4000]

        def read(self, size: int, /) -> bytes:
            piece = self._head[:size] or bytes(size)
            self._head = self._head[size:]
            self.read_bytes += len(piece)
            return piece

    source = Endless()

    with pytest.raises(CorruptAudio, match="32 MiB"):
        list(Decoding(source, Container.MP3, 600).pieces())

    assert source.read_bytes < 34 * 1024 * 1024


def test_an_m4a_beyond_the_limit_is_too_long() -> None:
    """A file that must be kept whole may have 32 MiB."""
    ftyp = struct.pack(">I4s4sI4s", 20, b"ftyp", b"M4A ", 0, b"M4A ")
    mdat = struct.pack(">I4s", 40 << 20, b"mdat") + bytes(40 << 20)

    with pytest.raises(AudioTooLong, match="32 MiB"):
        decode_file(ftyp + mdat)


def test_a_mono_file_that_becomes_stereo_midway_goes_on() -> None:
    """The parameters may change within a stream: MP3 frames can be joined as they please."""
    joined = encoded(SHORT, Encoding("mp3", "libmp3lame")) + encoded(
        SHORT, Encoding("mp3", "libmp3lame", 16000, "stereo")
    )

    _, heard = decode_file(joined)

    assert abs(heard.size - 2 * SHORT.size) < 16 * 250


def test_tags_that_are_no_unicode_do_not_matter() -> None:
    """The title of a file may hold any bytes."""
    data = bytearray(recording("flac"))
    place = data.find(b"encoder=")
    data[place : place + 8] = b"enc\xff\xfe\xff=="

    assert place > 0
    assert abs(decode_file(bytes(data))[1].size - sentence().size) < 960
