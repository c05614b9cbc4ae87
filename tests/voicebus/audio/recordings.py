"""A recorded sentence, encoded in every container by PyAV."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from voicebus.audio.wav import read_wav

SAMPLES = Path(__file__).parents[3] / "examples" / "samples"
OUT_HZ = 16000
WHOLE_S = 6.9
"""How much of the sentence is speech."""


@dataclass(frozen=True)
class Encoding:
    """How to write a file. ``options`` is a tuple of pairs, so that it can be hashed."""

    suffix: str
    codec: str
    rate_hz: int = 16000
    layout: str = "mono"
    options: tuple[tuple[str, str], ...] = field(default=())


FASTSTART = (("movflags", "faststart"),)
FRAGMENTS = (("movflags", "frag_keyframe+empty_moov"), ("frag_duration", "500000"))
STREAMED: Mapping[str, Encoding] = {
    "wav-s16": Encoding("wav", "pcm_s16le"),
    "wav-u8": Encoding("wav", "pcm_u8"),
    "wav-s24": Encoding("wav", "pcm_s24le"),
    "wav-s32": Encoding("wav", "pcm_s32le", 8000),
    "wav-float": Encoding("wav", "pcm_f32le", 44100),
    "wav-96k-stereo": Encoding("wav", "pcm_s24le", 96000, "stereo"),
    "wav-5.1": Encoding("wav", "pcm_s16le", 48000, "5.1"),
    "wav-mulaw": Encoding("wav", "pcm_mulaw", 8000),
    "ogg-opus": Encoding("ogg", "libopus", 48000),
    "ogg-flac": Encoding("ogg", "flac", 16000),
    "webm-opus": Encoding("webm", "libopus", 48000, "stereo"),
    "mp3": Encoding("mp3", "libmp3lame", 44100, "stereo"),
    "mp3-16k": Encoding("mp3", "libmp3lame"),
    "m4a-index-first": Encoding("mp4", "aac", 48000, options=FASTSTART),
    "m4a-fragments": Encoding("mp4", "aac", 48000, options=FRAGMENTS),
    "flac": Encoding("flac", "flac"),
    "flac-96k-stereo": Encoding("flac", "flac", 96000, "stereo"),
    "aac": Encoding("adts", "aac", 44100),
}
WHOLE: Mapping[str, Encoding] = {"m4a": Encoding("mp4", "aac", 44100, "stereo")}
ALL: Mapping[str, Encoding] = {**STREAMED, **WHOLE}


@cache
def sentence() -> NDArray[np.int16]:
    """A sentence of 7.1 s, mono, 16 kHz."""
    return read_wav(SAMPLES / "austen-leisure.wav")[1]


def seconds_heard(text: str) -> float:
    """How long an utterance was, in the words of the synthetic recogniser."""
    told = re.search(r"utterance of ([\d.]+) seconds", text)
    assert told, text
    return float(told[1])


@cache
def recording(name: str) -> bytes:
    """The sentence as a file, by its name in ``ALL``."""
    return encoded(sentence(), ALL[name])


def encoded(samples: NDArray[np.int16], encoding: Encoding) -> bytes:
    """Write 16 kHz mono samples as a file, and return its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        with av.open(str(path), "w", format=encoding.suffix, options=dict(encoding.options)) as out:
            added = out.add_stream(encoding.codec, rate=encoding.rate_hz, layout=encoding.layout)
            stream = cast("AudioStream", added)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = OUT_HZ, 0
            to = av.AudioResampler(stream.format.name, encoding.layout, encoding.rate_hz)
            frames: list[av.AudioFrame | None] = [*to.resample(frame), *to.resample(None)]
            for piece in (*filter(None, frames), None):
                out.mux(stream.encode(piece))
        return path.read_bytes()


def m4a_of_silence(seconds: int) -> bytes:
    """AAC at 48 kHz with its index at the end: the same packet again and again."""
    packed = io.BytesIO()
    with av.open(packed, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 4_096), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate = 48_000
        quiet = bytes(next(iter(stream.encode(silence))))
        for frame in range(seconds * 48_000 // 1_024):
            packet = av.Packet(quiet)
            packet.stream, packet.time_base = stream, Fraction(1, 48_000)
            packet.pts = packet.dts = frame * 1_024
            packet.duration = 1_024
            out.mux_one(packet)
    return packed.getvalue()


def likeness(heard: NDArray[np.int16], said: NDArray[np.int16]) -> float:
    """The highest correlation of two recordings that are at most 60 ms out of step."""
    reach = OUT_HZ * 60 // 1000
    length = min(heard.size, said.size) - 2 * reach
    middle = said[reach : reach + length].astype(np.float64)
    middle -= middle.mean()
    around = heard[: length + 2 * reach].astype(np.float64)
    lags = np.arange(2 * reach)

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray(totals[lags + length] - totals[lags])

    # All lags at once: one by one they are a second of CPU.
    spectrum = np.fft.rfft(around) * np.fft.rfft(middle, around.size).conj()
    products = np.fft.irfft(spectrum, around.size)[lags]
    powers = sums(around**2) - sums(around) ** 2 / length
    return float(np.max(products / np.sqrt(powers * (middle**2).sum())))
