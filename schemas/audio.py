"""The caller's audio, as it enters the system."""

from __future__ import annotations

from schemas.event import Event

CALLER_RATE_HZ = 16_000
"""All caller audio on the bus is mono s16le at this rate. Edges convert."""


class AudioChunk(Event, frozen=True, kw_only=True, tag="audio.chunk"):
    """A slice of the caller's audio. Grammar of the subject: ``AudioChunk* AudioEnded`` repeated.

    Fields
        pcm: Samples, s16le mono at 16 kHz; never empty.
        offset: Index of the first sample within the session. A receiver whose next expected
            index is lower has lost a message and repairs the gap from the stream.
    """

    pcm: bytes
    offset: int


class AudioEnded(Event, frozen=True, kw_only=True, tag="audio.ended"):
    """The caller has said all for now: what is pending becomes final without waiting for silence.

    More audio may follow; ``offset`` goes on counting.

    Fields
        offset: Number of samples sent in the session so far.
    """

    offset: int
