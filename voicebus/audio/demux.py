"""Opening of untrusted bytes as one known container.

FFmpeg gets bytes only, never a name. The demuxer is fixed before, and white-lists keep it from
opening anything else, and from any decoder but the container's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import ThreadType
from av.container import InputContainer

from voicebus.audio.boxes import CheckedBoxes
from voicebus.audio.containers import DEMUXERS, WAV_CODECS, Container
from voicebus.audio.source import Forward, Kept, Limited, Peekable, Source, Spool, Stored
from voicebus.audio.wav import WavLayout, wav_layout
from voicebus.errors import CorruptAudio, UnsupportedAudio

SPOOL_BYTES = 32 * 1024 * 1024
"""An M4A whose index is at its end, and which is no file yet, is kept whole, up to this size. Also
the most bytes that are read from any file without audio coming out."""

_HEADER_BYTES = 1024 * 1024
_MAX_BOXES = 32
_MAX_TAGS = 4
_PROBE_BYTES = 4096  # FFmpeg reads so much ahead before it begins: live callers wait for it
_MAX_FRAME_SAMPLES = 1 << 20
_MAX_CHANNELS = 8
_MIN_HZ, _MAX_HZ = 4000, 192_000


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes, and how FFmpeg must read them.

    Attributes:
        declared_s: The length that the header promises, 0.0 if FFmpeg is to find out.
    """

    bytes: Forward | Spool
    demuxer: str
    decoders: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    declared_s: float = 0.0

    def open(self) -> InputContainer:
        """Read the header. Waits for bytes.

        Raises:
            av.FFmpegError: The bytes are not of this container.
        """
        return av.open(
            self.bytes,
            mode="r",
            format=self.demuxer,
            options={
                "format_whitelist": self.demuxer,
                "protocol_whitelist": "pipe",
                "codec_whitelist": ",".join(self.decoders),
                "probesize": str(_PROBE_BYTES),
                **self.options,
            },
            metadata_errors="replace",
        )


def input_of(source: Source, container: Container) -> Input:
    """Choose how to read a container. Waits for the first bytes.

    Raises:
        UnsupportedAudio: A WAV file has a codec or a shape that is not accepted.
        CorruptAudio: A WAV file has no samples.
    """
    demuxer = DEMUXERS[container]
    if container is Container.WAV:
        return _wav_input(Peekable(source))
    if container is Container.MP3:
        source = _without_tags(source)
    file: Forward | Spool = Forward(source, SPOOL_BYTES)
    if container is Container.M4A:
        peekable = Peekable(CheckedBoxes(source))
        first = _index_comes_first(peekable)
        keeper = source if isinstance(source, Stored) else Kept(SPOOL_BYTES)
        file = Forward(peekable, SPOOL_BYTES) if first else Spool(peekable, keeper)
    return Input(file, demuxer.name, demuxer.decoders)


def audio_stream(opened: InputContainer, container: Container) -> tuple[AudioStream, str]:
    """Return the first audio stream, its decoder not yet opened, and the name of its codec.

    Raises:
        CorruptAudio: There is no audio stream.
        UnsupportedAudio: The codec is not accepted in this container.
    """
    if not opened.streams.audio:
        raise CorruptAudio(f"The {container} file has no audio in it.")
    stream = opened.streams.audio[0]
    # PyAV's types do not know that a stream without any decoder has no context.
    context: AudioCodecContext | None = stream.codec_context
    codec = context.codec.canonical_name if context else "(unknown)"
    if context is None or codec not in DEMUXERS[container].codecs:
        raise UnsupportedAudio(f"The codec {codec} in a {container} file is not accepted.")
    context.thread_count = 1
    context.thread_type = ThreadType.NONE
    context.options = {"max_samples": str(_MAX_FRAME_SAMPLES)}
    return stream, codec


def require_shape(sample_rate_hz: int, channels: int) -> None:
    """Check what a header or a frame says.

    Raises:
        UnsupportedAudio: The sample rate or the number of channels is out of bounds.
    """
    if not _MIN_HZ <= sample_rate_hz <= _MAX_HZ:
        raise UnsupportedAudio(
            f"A sample rate of {sample_rate_hz} Hz is not accepted; 4000 to 192000 Hz are."
        )
    if not 1 <= channels <= _MAX_CHANNELS:
        raise UnsupportedAudio(f"{channels} channels are not accepted; 1 to 8 are.")


def _wav_input(file: Peekable) -> Input:
    # FFmpeg's own WAV demuxer looks for other codecs hidden in the samples, and reads 64 KiB
    # ahead for it, which are two seconds of a live caller. So it gets the bare samples.
    layout = _wav_layout_of(file)
    codec = WAV_CODECS.get((layout.tag, layout.bits))
    if codec is None:
        raise UnsupportedAudio(f"The codec {layout.codec} in a wav file is not accepted.")
    require_shape(layout.sample_rate_hz, layout.channels)
    file.skip(layout.data_start)
    samples = file if layout.data_bytes is None else Limited(file, layout.data_bytes)
    frame_bytes = layout.channels * layout.bits // 8
    return Input(
        Forward(samples, SPOOL_BYTES),
        codec.removeprefix("pcm_"),
        (codec,),
        {"sample_rate": str(layout.sample_rate_hz), "ch_layout": f"{layout.channels}c"},
        (layout.data_bytes or 0) / frame_bytes / layout.sample_rate_hz,
    )


def _without_tags(source: Source) -> Peekable:
    """Drop the ID3 tags before the music: pictures, and texts that may be compressed."""
    file = Peekable(source)
    for _ in range(_MAX_TAGS):
        head = file.peek(10)
        if head[:3] != b"ID3" or len(head) < 10:
            break
        size = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
        size += 10 if head[5] & 0x10 else 0
        while size and (piece := file.read(min(size, 65536))):
            size -= len(piece)
    return file


def _wav_layout_of(file: Peekable) -> WavLayout:
    size = 64
    while size <= _HEADER_BYTES:
        head = file.peek(size)
        layout = wav_layout(head)
        if layout is not None:
            return layout
        if len(head) < size:
            break
        size *= 2
    raise CorruptAudio("The wav file has no samples.")


def _index_comes_first(file: Peekable) -> bool:
    """Walk the boxes of an MP4 file (ISO/IEC 14496-12) to the index or to the audio."""
    place = 0
    for _ in range(_MAX_BOXES):
        header = file.peek(place + 16)[place:]
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if kind in {b"moov", b"moof"}:
            return True
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        if kind == b"mdat" or size < 8 or place + size > _HEADER_BYTES:
            return False
        place += size
    return False
