from __future__ import annotations

import numpy as np
import pytest

from tests.voicebus.audio.recordings import ALL, recording, sentence
from voicebus.audio.containers import Container
from voicebus.audio.sniff import MAX_SNIFF_BYTES, MIN_SNIFF_BYTES, sniff, sniff_file
from voicebus.errors import UnsupportedAudio

SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n"
M3U8 = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
NOT_AUDIO = {
    "text": b"Dear sir, this file is named recording.wav but it holds text.",
    "umlauts": "Größe, naïve, Ärger – überall, und noch ein paar Wörter mehr.".encode(),
    "json": b'{"type": "start", "input": {"format": "auto"}, "output": {}}',
    "html": b"<!doctype html><html><head><title>404 not found</title></head>",
    "sdp": SDP,
    "m3u8": M3U8,
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(40),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(40),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(40),
    "avi": b"RIFF\x00\x10\x00\x00AVI LIST" + bytes(40),
    "amr": b"#!AMR\n" + bytes(40),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(40),
}


@pytest.mark.parametrize("name", ALL)
def test_every_container_is_recognised_by_its_first_bytes(name: str) -> None:
    """The sniffer knows each accepted container, and each byte more does not change its mind."""
    head = recording(name)[:MAX_SNIFF_BYTES]
    expected = {"m": "m4a"}.get(name[0], name.split("-", maxsplit=1)[0])
    expected = "mp3" if name.startswith("mp3") else expected

    said = {sniff(head[:size]) for size in range(0, 4000, 7)}

    assert said == {None, Container(expected)}
    assert sniff_file(head) == Container(expected)


def test_mp3_is_recognised_with_and_without_an_id3_tag() -> None:
    """An MP3 file may begin with a tag or with its first frame."""
    tagged = recording("mp3")
    bare = tagged[10 + (tagged[8] << 7 | tagged[9]) :]

    assert tagged.startswith(b"ID3")
    assert bare[0] == 0xFF
    assert sniff(bare[:4096]) is Container.MP3


@pytest.mark.parametrize("name", NOT_AUDIO)
def test_what_is_plainly_something_else_is_refused(name: str) -> None:
    """Texts, documents and archives are an error, not noise, for live streams and files."""
    for judge in (sniff, sniff_file):
        with pytest.raises(UnsupportedAudio):
            judge(NOT_AUDIO[name])


def test_recorded_and_silent_and_loud_samples_are_pcm() -> None:
    """Bare samples are recognised as such wherever a live stream starts."""
    said = sentence()
    noise = np.random.default_rng(1).integers(-32768, 32767, 16000, dtype=np.int16)
    starts = [said[at:].tobytes()[:64] for at in range(0, said.size - 100, 101)]

    assert all(sniff(head) is Container.PCM for head in starts)
    assert sniff(bytes(640)) is Container.PCM
    assert sniff(noise.tobytes()) is Container.PCM


@pytest.mark.parametrize("second_byte", [0xFB, 0xF3, 0xF1, 0xF9, 0xE3])
def test_samples_that_look_like_an_mpeg_frame_are_pcm(second_byte: int) -> None:
    """One sample with the bits of a frame's header does not make a stream an MP3."""
    head = bytes([0xFF, second_byte, 0x90, 0x40]) + sentence().tobytes()

    assert sniff(head[:MAX_SNIFF_BYTES]) is Container.PCM


def test_too_few_bytes_decide_nothing() -> None:
    """A stream is not judged by fewer than 12 bytes, and text not by fewer than 32."""
    assert all(sniff(bytes(size)) is None for size in range(MIN_SNIFF_BYTES))
    assert sniff(b"hello, hello, hello") is None


@pytest.mark.parametrize("size", [0, 1, 11, 20])
def test_a_file_of_a_few_bytes_is_refused_with_a_sentence(size: int) -> None:
    """An empty or tiny file gets an error that says so."""
    with pytest.raises(UnsupportedAudio, match="empty" if not size else "known container"):
        sniff_file(b"hello, hello, hello, hello"[:size])


def test_bare_samples_are_not_a_file() -> None:
    """A file of unknown bytes is refused and not played as noise."""
    with pytest.raises(UnsupportedAudio, match="known container"):
        sniff_file(sentence().tobytes()[:4096])
