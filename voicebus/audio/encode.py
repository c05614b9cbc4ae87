"""Encoding of PCM as it is made: what comes out can be played while the rest does not exist yet.

Blocking; one thread's work at a time.
"""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from msgspec import Struct

from voicebus.audio.wav import wav_header


class Format(Struct, frozen=True, kw_only=True):
    """A file format.

    Fields
        mime: Its media type.
        muxer: FFmpeg's name of the container; empty for bare samples and their header.
        codec: FFmpeg's name of the encoder.
        bit_rate: Bits per second; 0 for formats that lose nothing.
        options: Of the container. A frame goes out as soon as it is complete; what would have to be
            written into the head at the end is left out, so that parts can be joined.
    """

    mime: str
    muxer: str = ""
    codec: str = ""
    bit_rate: int = 0
    options: dict[str, str] = {}


FORMATS: Final = MappingProxyType(
    {
        "mp3": Format(
            mime="audio/mpeg",
            muxer="mp3",
            codec="libmp3lame",
            bit_rate=64_000,
            options={"write_xing": "0", "id3v2_version": "0"},
        ),
        "opus": Format(
            mime="audio/opus",
            muxer="ogg",
            codec="libopus",
            bit_rate=32_000,
            options={"page_duration": "20000"},
        ),
        "aac": Format(mime="audio/aac", muxer="adts", codec="aac", bit_rate=64_000),
        "flac": Format(mime="audio/flac", muxer="flac", codec="flac"),
        "wav": Format(mime="audio/wav"),
        "pcm": Format(mime="audio/pcm"),
    }
)
"""What can be made, by the names of OpenAI's API."""


class Encoder(Protocol):
    """Makes a file of mono samples. :meth:`finish` or :meth:`close` has to be called."""

    def push(self, pcm: bytes) -> bytes:
        """Take samples, s16le; return the bytes of the file that are complete with them."""
        ...

    def finish(self) -> bytes:
        """Return the rest of the file."""
        ...

    def close(self) -> None:
        """Give the memory back; nothing for one that was finished."""
        ...


def encoder(name: str, rate_hz: int) -> Encoder:
    """Return an encoder.

    Args:
        name: One of :data:`FORMATS`.
        rate_hz: Of the samples: 8000, 16000, 24000 or 48000.
    """
    chosen = FORMATS[name]
    if chosen.muxer:
        return _Encoded(chosen, rate_hz)
    return _Bare(wav_header(rate_hz) if name == "wav" else b"")


def encoded(pcm: bytes, name: str, rate_hz: int) -> bytes:
    """Return a whole file. Blocking.

    Args:
        pcm: Its samples, s16le.
        name: One of :data:`FORMATS`.
        rate_hz: Of the samples: 8000, 16000, 24000 or 48000.
    """
    making = encoder(name, rate_hz)
    return making.push(pcm) + making.finish()


class _Bare:
    """Samples as they are, behind a head."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def push(self, pcm: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + pcm

    def finish(self) -> bytes:
        return self.push(b"")

    def close(self) -> None:
        pass


class _Encoded:
    """What FFmpeg makes of them."""

    def __init__(self, chosen: Format, rate_hz: int) -> None:
        self._sink = _Sink()
        self._rate_hz = rate_hz
        self._samples = 0
        options = {"flush_packets": "1", **chosen.options}
        self._container: OutputContainer = av.open(
            self._sink, "w", format=chosen.muxer, options=options
        )
        stream: Any = self._container.add_stream(chosen.codec, rate=rate_hz)
        stream.codec_context.layout = "mono"
        if chosen.bit_rate:
            stream.codec_context.bit_rate = chosen.bit_rate
        self._stream: AudioStream = stream

    def push(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts = self._samples
        frame.time_base = Fraction(1, self._rate_hz)
        self._samples += samples.shape[1]
        self._container.mux(self._stream.encode(frame))
        return self._sink.taken()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.taken()

    def close(self) -> None:
        self._container.close()


class _Sink:
    """What FFmpeg writes into; it cannot go back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken
