"""Text to speech: the order to speak a turn, and its audio."""

from __future__ import annotations

from typing import Final

from schemas.event import Event

FILLER: Final = -1
"""Number of the clause of what is said while the first one does not come."""


class SpeakRequest(Event, frozen=True, kw_only=True, tag="tts.request"):
    """Job: speak this turn's clauses in their order as they become ready, or a given text.

    Fields
        text: What to say; empty to speak the clauses that the language model writes.
        common: True where ``text`` is somebody's own words to all callers, such as a greeting: what
            was made of them may be kept.
        voice: Name of the voice; empty for the worker's default.
        rate_hz: Sample rate of the audio: 8000, 16000, 24000 or 48000.
        speed: 1.0 is the voice's own speed, 2.0 twice as fast.
        language: ISO 639-1 code of the text; empty for the voice's own.
        ahead_s: How far synthesis may be ahead of playback; 0 for as far as it gets.
        filler: Said while the first clause does not come; empty for nothing.
        filler_after_s: How long that is.
        resumed: True when the turn began at another edge: what was spoken there is told again.
    """

    text: str = ""
    common: bool = False
    voice: str = ""
    rate_hz: int = 24_000
    speed: float = 1.0
    language: str = ""
    ahead_s: float = 0.0
    filler: str = ""
    filler_after_s: float = 1.5
    resumed: bool = False


class ReplyChunk(Event, frozen=True, kw_only=True, tag="tts.chunk"):
    """A slice of the reply's audio.

    Where chunks are cut depends on the words that they speak alone: a worker that takes the turn
    over cuts them alike, and ``seq`` tells which of them are known.

    Fields
        pcm: Samples, s16le mono at ``rate_hz``; never empty.
        rate_hz: Sample rate.
        offset: Index of the first sample within the turn.
        clause: ``seq`` of the clause that it speaks; -1 for a filler.
    """

    pcm: bytes
    rate_hz: int
    offset: int
    clause: int = 0


class ClauseSpoken(Event, frozen=True, kw_only=True, tag="tts.clause"):
    """Which stretch of the turn's audio speaks which words. Comes before the stretch's last chunk.

    What was heard of a reply is found with it: the words that end before playback stopped.

    Fields
        text: The words as they were written; empty for a filler.
        start_ms: Where they begin in the turn's audio.
        end_ms: Where they end.
        word_ends_ms: Where each of the words that white space separates ends, in the turn's audio.
        end: Index behind the last sample of the stretch within the turn: the next one's first.
    """

    text: str
    start_ms: int
    end_ms: int
    word_ends_ms: tuple[int, ...] = ()
    end: int = 0


class SpeechDone(Event, frozen=True, kw_only=True, tag="tts.done"):
    """The last chunk of the turn's audio has been published.

    Fields
        samples: Length of the turn's audio.
        rate_hz: Its sample rate.
        ttfa_ms: From the first clause to the first audible chunk.
        synthetic: True when no real engine was asked.
    """

    samples: int
    rate_hz: int
    ttfa_ms: float = 0.0
    synthetic: bool = False
