"""WAV files of 16-bit samples, and the header of one whose length is not known yet.

Needs no decoder library. Other kinds of WAV are for :mod:`voicebus.audio.decode`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicebus.errors import CorruptAudio, UnsupportedAudio

_PCM, _EXTENSIBLE = 1, 0xFFFE
_UNKNOWN_BYTES = 0xFFFFFFFF
_CODEC_NAMES = {
    1: "pcm",
    2: "adpcm_ms",
    3: "pcm_float",
    6: "pcm_alaw",
    7: "pcm_mulaw",
    0x11: "adpcm_ima_wav",
    0x31: "gsm_ms",
    0x50: "mp2",
    0x55: "mp3",
    0xFF: "aac",
    0x161: "wmav2",
}


def wav_header(sample_rate_hz: int, data_bytes: int | None = None) -> bytes:
    """Return the 44 bytes before the samples of a mono s16le WAV.

    Args:
        sample_rate_hz: The sample rate.
        data_bytes: Length of the samples in bytes. None if the audio is still being made: readers
            then take all that follows, as the sizes say the most that they can say.
    """
    if data_bytes is None or data_bytes > _UNKNOWN_BYTES - 36:
        riff_bytes = data_bytes = _UNKNOWN_BYTES
    else:
        riff_bytes = data_bytes + 36
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", riff_bytes, b"WAVE"),
        *(b"fmt ", 16, _PCM, 1, sample_rate_hz, sample_rate_hz * 2, 2, 16),
        *(b"data", data_bytes),
    )


def write_wav(path: Path, samples: NDArray[np.int16], sample_rate_hz: int) -> None:
    """Write int16 samples (n,) as a mono WAV file."""
    data = samples.astype("<i2", copy=False).tobytes()
    path.write_bytes(wav_header(sample_rate_hz, len(data)) + data)


def read_wav(path: Path) -> tuple[int, NDArray[np.int16]]:
    """Read a WAV file of 16-bit samples. Several channels are mixed to one.

    Returns:
        The sample rate in Hz, and the samples, int16 (n,).

    Raises:
        UnsupportedAudio: It is no WAV, or one of another sample format.
        CorruptAudio: Its header does not make sense.
    """
    return parse_wav(path.read_bytes())


def parse_wav(data: bytes) -> tuple[int, NDArray[np.int16]]:
    """Read the bytes of a WAV file as :func:`read_wav` does. A cut-off file gives what is there."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise UnsupportedAudio("The file is not a WAV file.")
    layout = wav_layout(data)
    if layout is None:
        raise CorruptAudio("The WAV file has no samples.")
    if layout.tag != _PCM or layout.bits != 16:
        raise UnsupportedAudio(f"The WAV file has no 16-bit samples but {layout.codec}.")
    if not layout.channels or not layout.sample_rate_hz:
        raise CorruptAudio("The WAV file has no channels, or no sample rate.")
    body = memoryview(data)[layout.data_start :][: layout.data_bytes]
    whole = len(body) // (2 * layout.channels) * 2 * layout.channels
    frames = np.frombuffer(body[:whole], dtype="<i2").reshape(-1, layout.channels)
    if layout.channels == 1:
        return layout.sample_rate_hz, frames[:, 0].astype(np.int16)
    return layout.sample_rate_hz, np.rint(frames.mean(axis=1)).astype(np.int16)


@dataclass(frozen=True, slots=True)
class WavLayout:
    """What the header of a WAV file says. Nothing of it was checked.

    Attributes:
        tag: The format tag: 1 integers, 3 floats, 6 A-law, 7 mu-law, others codecs.
        bits: Bits per sample.
        data_start: Where the samples begin, in bytes.
        data_bytes: Their length, None if the writer did not know it.
    """

    tag: int
    bits: int
    sample_rate_hz: int
    channels: int
    data_start: int
    data_bytes: int | None

    @property
    def codec(self) -> str:
        """A name for people."""
        return _CODEC_NAMES.get(self.tag, f"0x{self.tag:04x}") + f" with {self.bits} bits"


def wav_layout(head: bytes) -> WavLayout | None:
    """Read the header of a WAV file from its first bytes; None if the samples do not begin in them.

    Raises:
        CorruptAudio: The samples begin before the header said what they are.
    """
    fmt, start = b"", 12
    while start + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, start)
        start += 8
        if name == b"data":
            return _layout(fmt, start, length)
        if name == b"fmt ":
            fmt = head[start : start + length]
        start += length + length % 2
    return None


def _layout(fmt: bytes, start: int, length: int) -> WavLayout:
    if len(fmt) < 16:
        raise CorruptAudio("The WAV file does not say what its samples are.")
    tag, channels, sample_rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        tag = struct.unpack_from("<H", fmt, 24)[0]
    known = length if 0 < length < _UNKNOWN_BYTES else None
    return WavLayout(tag, bits, sample_rate_hz, channels, start, known)
