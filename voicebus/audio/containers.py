"""The containers that voicebus reads, and the one demuxer and few codecs that each may use.

A client's bytes never choose the demuxer: FFmpeg's own detection also knows playlists and session
descriptions, which open files and sockets of their own. A container that is not in this table
does not reach FFmpeg at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Container(StrEnum):
    """What a stream of bytes is. The values are the names on the wire."""

    WAV = "wav"
    OGG = "ogg"
    WEBM = "webm"
    MP3 = "mp3"
    M4A = "m4a"
    FLAC = "flac"
    AAC = "aac"
    PCM = "pcm_s16le"
    """No container: bare s16le samples, mono, 16 kHz. Nothing to decode."""


@dataclass(frozen=True, slots=True)
class Demuxer:
    """How FFmpeg reads a container.

    Attributes:
        name: FFmpeg's short name of the one demuxer; empty for WAV, see :data:`WAV_CODECS`.
        codecs: FFmpeg's names of the codecs that are accepted inside it.
        decoders: The decoders of these codecs, which may be named otherwise.
    """

    name: str
    codecs: frozenset[str]
    decoders: tuple[str, ...]


_Decoders = Mapping[str, tuple[str, ...]]


def _demuxer(name: str, decoders_of: _Decoders) -> Demuxer:
    decoders = tuple(decoder for names in decoders_of.values() for decoder in names)
    return Demuxer(name=name, codecs=frozenset(decoders_of), decoders=decoders)


_AAC: _Decoders = {"aac": ("aac",)}
_FLAC: _Decoders = {"flac": ("flac",)}
_MP3: _Decoders = {"mp3": ("mp3float", "mp3")}
_OPUS: _Decoders = {"opus": ("libopus", "opus")}
_VORBIS: _Decoders = {"vorbis": ("vorbis",)}

WAV_CODECS: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (1, 8): "pcm_u8",
        (1, 16): "pcm_s16le",
        (1, 24): "pcm_s24le",
        (1, 32): "pcm_s32le",
        (3, 32): "pcm_f32le",
        (3, 64): "pcm_f64le",
        (6, 8): "pcm_alaw",
        (7, 8): "pcm_mulaw",
    }
)
"""What a WAV header calls (format tag, bits per sample). FFmpeg's demuxer of the bare samples has
the same name without ``pcm_``."""

DEMUXERS: Mapping[Container, Demuxer] = MappingProxyType(
    {
        Container.WAV: _demuxer("", {codec: (codec,) for codec in WAV_CODECS.values()}),
        Container.OGG: _demuxer("ogg", {**_OPUS, **_VORBIS, **_FLAC}),
        # Browsers record WebM with Opus, and some with bare float samples.
        Container.WEBM: _demuxer("matroska", {**_OPUS, **_VORBIS, "pcm_f32le": ("pcm_f32le",)}),
        Container.MP3: _demuxer("mp3", {**_MP3, "mp2": ("mp2float", "mp2")}),
        # ALAC is left out: its header may ask for frames of sixteen million samples.
        Container.M4A: _demuxer("mov", {**_AAC, **_MP3, **_OPUS, **_FLAC}),
        Container.FLAC: _demuxer("flac", _FLAC),
        Container.AAC: _demuxer("aac", _AAC),
    }
)
"""Every :class:`Container` except ``PCM``."""
