"""What a stream of bytes is, from its first bytes. Pure.

Containers say what they are. Bare samples do not, so they are what remains when the bytes are
neither a container nor plainly something else.
"""

from __future__ import annotations

import codecs

from voicebus.audio.containers import Container
from voicebus.errors import UnsupportedAudio

MIN_SNIFF_BYTES = 12
"""With fewer bytes nothing is decided."""

MAX_SNIFF_BYTES = 16 * 1024
"""With so many bytes everything is decided."""

_TEXT_BYTES = 32
"""Sixteen samples in a row that are all printable text do not occur in a recording."""

_MAGIC = (
    (b"OggS\x00", Container.OGG),
    (b"\x1a\x45\xdf\xa3", Container.WEBM),
    (b"fLaC", Container.FLAC),
)

_NOT_AUDIO = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff\xe0", "a JPEG picture"),
    (b"\xff\xd8\xff\xe1", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x7fELF", "a program"),
    (b"MThd\x00\x00\x00\x06", "a MIDI file"),
    (b"#!AMR", "an AMR recording"),
    (b"caff\x00\x01", "a CAF recording"),
    (b"FORM", "an AIFF recording"),
    (b"RIFX", "a big-endian WAV file"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (b"FLV\x01", "a Flash video"),
)

_MPEG_KBPS = {  # (MPEG-1?, layer) -> kbit/s by index; ISO/IEC 11172-3 and 13818-3
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def sniff(head: bytes) -> Container | None:
    """Say what a live stream is that begins with ``head``.

    Args:
        head: The first bytes: the more, the surer; at most :data:`MAX_SNIFF_BYTES` are looked at.

    Returns:
        The container, ``Container.PCM`` for bare samples, or None: more bytes are needed.

    Raises:
        UnsupportedAudio: The bytes are plainly something else, such as text or an archive.
    """
    if len(head) < MIN_SNIFF_BYTES:
        return None
    container = _container_of(head)
    if container is not None:
        return container
    _refuse_other_files(head)
    if _is_text(head[:_TEXT_BYTES]):
        if len(head) >= _TEXT_BYTES:
            raise UnsupportedAudio("The bytes are text, not audio.")
        return None
    return _mpeg_stream(head[:MAX_SNIFF_BYTES])


def sniff_file(head: bytes) -> Container:
    """Say what a file is that begins with ``head``. A file must be a container.

    Raises:
        UnsupportedAudio: It is none that is accepted; the sentence says what it is, if known.
    """
    if not head:
        raise UnsupportedAudio("The file is empty: it has 0 bytes.")
    container = sniff(head)
    if container is None or container is Container.PCM:
        raise UnsupportedAudio(
            "The file is not audio in a known container: WAV, Ogg, WebM, MP3, M4A, FLAC or AAC."
        )
    return container


def _container_of(head: bytes) -> Container | None:
    for magic, container in _MAGIC:
        if head.startswith(magic):
            return container
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return Container.WAV
    if head[4:8] == b"ftyp":
        return Container.M4A
    if head[:3] == b"ID3" and head[3] < 5 and max(head[6:10]) < 0x80:
        return Container.MP3
    return None


def _refuse_other_files(head: bytes) -> None:
    for magic, what in _NOT_AUDIO:
        if head.startswith(magic):
            raise UnsupportedAudio(f"The bytes are {what}, which is not accepted.")
    if head[:4] == b"RIFF" and head[8:12] in {b"AVI ", b"WEBP"}:
        raise UnsupportedAudio("The bytes are a RIFF file without audio (AVI or WebP).")


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\r\n" for letter in text)


def _mpeg_stream(head: bytes) -> Container | None:
    """Tell MPEG frames, which begin with a bit pattern that samples may have too, from samples.

    One sample of -1025 looks like an MP3 frame, therefore the next frame must be there as well.
    """
    for container, length_of in ((Container.MP3, _mp3_length), (Container.AAC, _adts_length)):
        length = length_of(head)
        if not length:
            continue
        following = head[length : length + 7]
        if len(following) == 7 and length_of(following):
            # Version, layer and sample rate stay the same through a file.
            same = head[1] == following[1] and not (head[2] ^ following[2]) & 0x0C
            return container if same else Container.PCM
        if len(following) < 7:
            return None
    return Container.PCM


def _mp3_length(header: bytes) -> int:
    """Return the length in bytes of the MPEG audio frame of this header, or 0 if it is none."""
    if header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    kbps_index, hz_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    table = _MPEG_KBPS.get((version == 3, layer))
    if version == 1 or table is None or kbps_index in {0, 15} or hz_index == 3:
        return 0
    samples = 1152 if layer == 2 or version == 3 else 576
    return samples // 8 * 1000 * table[kbps_index] // _MPEG_HZ[version][hz_index] + padding


def _adts_length(header: bytes) -> int:
    """Return the length in bytes of the ADTS frame of this header, or 0 if it is none."""
    if header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 0x0F > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0
