"""Decoding of untrusted audio files to PCM: s16le, mono, 16 kHz. Blocking; one thread's work.

How FFmpeg is kept to the one container is in :mod:`voicebus.audio.demux`. Here decoded seconds,
CPU time, and the bytes that hold no audio are limited in the loop.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
import structlog
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from voicebus.audio.containers import Container
from voicebus.audio.demux import audio_stream, input_of, require_shape
from voicebus.audio.sniff import MAX_SNIFF_BYTES, sniff_file
from voicebus.audio.source import Memory, Source
from voicebus.errors import AudioTooLong, CorruptAudio

OUT_HZ = 16000
MAX_SECONDS = 600.0

_MAX_CPU_S = 60.0
_CPU_SHARE = 0.1
"""Of each second that is decoded, besides: the codecs need less than a tenth of that."""

_BYTES_PER_MS = OUT_HZ * 2 // 1000

LIVE_PIECE_MS = range(20, 201)
"""Somebody may be speaking while it is decoded, and is to be heard soon."""

_TRUNCATED_S = 0.15

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What was in a file before it became 16 kHz mono."""

    container: Container
    codec: str
    sample_rate_hz: int
    channels: int


class Decoding:
    """One file on its way to PCM. Belongs to one thread.

    Attributes:
        info: Set before the first piece of PCM.
        truncated: After the last piece: some of the audio was missing or did not decode. Ogg, MP3
            and AAC do not say how long they are: of them only damage is noticed.
        seconds: Audio decoded so far.
    """

    def __init__(self, source: Source, container: Container, max_seconds: float) -> None:
        self.info: AudioInfo | None = None
        self.truncated = False
        self.seconds = 0.0
        self._container = container
        self._max_seconds = max_seconds
        self._source = source
        self._cpu_started_s = 0.0

    def pieces(self, lengths_ms: range = LIVE_PIECE_MS) -> Generator[bytes]:
        """Yield PCM in pieces of bounded length; only the last may be shorter.

        Args:
            lengths_ms: From the shortest to the longest.

        Raises:
            UnsupportedAudio: The codec, the sample rate or the channels are not accepted.
            CorruptAudio: Nothing could be decoded, or decoding took too much CPU time.
            AudioTooLong: There is more audio than ``max_seconds``. What was yielded is valid.
        """
        shortest, longest = lengths_ms[0] * _BYTES_PER_MS, lengths_ms[-1] * _BYTES_PER_MS
        waiting = bytearray()
        for pcm in self._pcm():
            waiting += pcm
            while len(waiting) >= shortest:
                yield bytes(waiting[:longest])
                del waiting[:longest]
        if waiting:
            yield bytes(waiting)

    def _pcm(self) -> Iterator[bytes]:
        self._cpu_started_s = time.thread_time()
        file = input_of(self._source, self._container)
        mono = _Mono()
        declared_s = 0.0
        try:
            with file.open() as opened:
                for frame in self._frames(opened):
                    file.bytes.progress()
                    yield mono.push(frame)
                yield mono.finish()
                declared_s = file.declared_s or (opened.duration or 0) / 1_000_000
        except (av.FFmpegError, MemoryError) as err:
            self._damaged(err)
        if file.bytes.starved:
            raise _starved(self._container)
        if self.info is None:
            raise CorruptAudio(f"The {self._container} file has no audio that can be decoded.")
        # A length beyond the limit is what a header says that was written before the audio.
        if declared_s <= self._max_seconds and declared_s - self.seconds > _TRUNCATED_S:
            self.truncated = True

    def _frames(self, opened: InputContainer) -> Iterator[av.AudioFrame]:
        stream, codec = audio_stream(opened, self._container)
        for packet in self._packets(opened, stream):
            # CPU time and not the wall clock, which also runs while a live caller is silent.
            allowed_s = _MAX_CPU_S + self.seconds * _CPU_SHARE
            if time.thread_time() - self._cpu_started_s > allowed_s:
                raise CorruptAudio("The audio takes too long to decode.")
            try:
                frames = stream.codec_context.decode(packet)
            except av.FFmpegError as err:
                self._damaged(err)
                continue
            for frame in frames:
                if frame.samples:
                    self._check(frame, codec)
                    yield frame

    def _packets(
        self, opened: InputContainer, stream: AudioStream
    ) -> Iterator[av.Packet[AudioStream] | None]:
        try:
            yield from opened.demux(stream)
        except av.FFmpegError as err:
            self._damaged(err)
            yield None  # what the decoder still holds was sound

    def _check(self, frame: av.AudioFrame, codec: str) -> None:
        rate_hz, channels = frame.sample_rate, frame.layout.nb_channels
        require_shape(rate_hz, channels)
        seconds = self.seconds + frame.samples / rate_hz
        if seconds > self._max_seconds:
            raise AudioTooLong(f"The audio is longer than {self._max_seconds:g} seconds.")
        self.seconds = seconds
        if self.info is None:
            self.info = AudioInfo(self._container, codec, rate_hz, channels)

    def _damaged(self, err: Exception) -> None:
        if not self.truncated:
            _log.debug("audio.damaged", container=str(self._container), error=str(err))
        self.truncated = True


def decode_file(
    data: bytes, max_seconds: float = MAX_SECONDS
) -> tuple[AudioInfo, NDArray[np.int16]]:
    """Decode a whole file. Blocking.

    Returns:
        What the file held, and its samples, int16 (n,), mono, 16 kHz. Of a truncated file, what
        there is.

    Raises:
        UnsupportedAudio: No container or codec that is accepted, or no bytes at all.
        CorruptAudio: Nothing in it can be decoded.
        AudioTooLong: It has more than ``max_seconds`` of audio.
    """
    container = sniff_file(data[:MAX_SNIFF_BYTES])
    decoding = Decoding(Memory(data), container, max_seconds)
    pcm = b"".join(decoding.pieces())
    if decoding.info is None:
        raise CorruptAudio(f"The {container} file has no audio that can be decoded.")
    return decoding.info, np.frombuffer(pcm, dtype="<i2")


class _Mono:
    """Frames of any rate, format and layout to PCM, also if they change on the way."""

    def __init__(self) -> None:
        self._shape: tuple[str, str, int] | None = None
        self._resampler = _resampler()

    def push(self, frame: av.AudioFrame) -> bytes:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        before = b""
        if shape != self._shape:
            before = self.finish()
            self._shape, self._resampler = shape, _resampler()
        # Time stamps of damaged files jump; the resampler would fill or cut for them.
        frame.pts = None
        return before + _bytes_of(self._resampler.resample(frame))

    def finish(self) -> bytes:
        return b"" if self._shape is None else _bytes_of(self._resampler.resample(None))


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=OUT_HZ)


def _bytes_of(frames: Sequence[av.AudioFrame | None]) -> bytes:
    # A resampler with nothing to change hands back what it got, at the end that is None.
    # A frame's memory may be longer than its samples. An array of each would take longer than the
    # decoding of a small one.
    return b"".join(
        bytes(memoryview(frame.planes[0])[: 2 * frame.samples])
        for frame in frames
        if frame is not None
    )


def _starved(container: Container) -> AudioTooLong | CorruptAudio:
    if container is Container.M4A:
        return AudioTooLong("An M4A file whose index is at its end may have 32 MiB at most.")
    return CorruptAudio(f"The {container} file has 32 MiB in a row without any audio.")
