"""What was said in a recording, in the shapes in which OpenAI's API tells it. Pure.

Sources: https://platform.openai.com/docs/api-reference/audio, the types of the Python SDK
(``openai/types/audio``), https://www.w3.org/TR/webvtt1/ and, for SubRip, which has no standard,
https://www.loc.gov/preservation/digital/formats/fdd/fdd000569.shtml.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from schemas.stt import Segment, Word

CUE_MS: Final = 7_000
"""Longest time for which a subtitle stands."""

CUE_CHARACTERS: Final = 84
"""Most characters of a subtitle: two lines of 42, as broadcasters have them."""

_LEAST_LOGPROB: Final = -10.0
_FRAME_MS: Final = 10
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "。", "！", "？")


class Transcript(Struct, frozen=True, kw_only=True):
    """What was said in a recording.

    Fields
        segments: Its utterances, in order.
        language: ISO 639-1 code of what was spoken; empty when nobody spoke.
        duration_s: Length of the recording.
        translated: Whether the text is a translation into English.
    """

    segments: tuple[Segment, ...]
    language: str
    duration_s: float
    translated: bool = False

    @property
    def text(self) -> str:
        """All that was said, in one line."""
        return " ".join(segment.text for segment in self.segments)


def usage(duration_s: float) -> dict[str, Any]:
    """Return what a recording costs: its seconds, as OpenAI counts them, are whole ones."""
    return {"type": "duration", "seconds": math.ceil(duration_s)}


def as_json(transcript: Transcript) -> dict[str, Any]:
    """Return the shape of ``response_format=json``."""
    return {
        "text": transcript.text,
        "languages": [{"code": transcript.language}] if transcript.language else [],
        "usage": usage(transcript.duration_s),
    }


def as_verbose_json(
    transcript: Transcript, granularities: Sequence[str], temperature: float
) -> dict[str, Any]:
    """Return the shape of ``response_format=verbose_json``.

    Args:
        transcript: What was said.
        granularities: ``segment``, ``word`` or both.
        temperature: The one that was asked for: it is told as it was given.
    """
    told: dict[str, Any] = {
        "task": "translate" if transcript.translated else "transcribe",
        "language": transcript.language,
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
        "usage": usage(transcript.duration_s),
    }
    if "segment" in granularities:
        told["segments"] = [
            _segment(number, segment, temperature)
            for number, segment in enumerate(transcript.segments)
        ]
    if "word" in granularities:
        told["words"] = [
            {"word": word.text, "start": _s(word.start_ms), "end": _s(word.end_ms)}
            for segment in transcript.segments
            for word in segment.words
        ]
    return told


def as_text(transcript: Transcript) -> str:
    """Return the shape of ``response_format=text``."""
    return transcript.text + "\n"


def as_srt(transcript: Transcript) -> str:
    """Return SubRip subtitles."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues(transcript.segments), 1)
    )


def as_vtt(transcript: Transcript) -> str:
    """Return WebVTT subtitles."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_escaped(cue.text)}\n\n"
        for cue in cues(transcript.segments)
    )


def cues(segments: Sequence[Segment]) -> Iterator[Word]:
    """Cut utterances into subtitles: so much as can be read at once, each with its time.

    Ends of sentences are preferred, once half of a subtitle is full. Where the times of the words
    are not known, they are taken to be evenly spread.
    """
    for segment in segments:
        held: list[Word] = []
        for word in segment.words or _spread(segment):
            if held and not _fits(held, word):
                yield _cue(held)
                held = []
            held.append(word)
            if word.text.endswith(_SENTENCE_ENDS) and _is_half_full(held):
                yield _cue(held)
                held = []
        if held:
            yield _cue(held)


def _fits(held: list[Word], word: Word) -> bool:
    characters = sum(len(one.text) + 1 for one in held) + len(word.text)
    return characters <= CUE_CHARACTERS and word.end_ms - held[0].start_ms <= CUE_MS


def _is_half_full(held: list[Word]) -> bool:
    characters = sum(len(one.text) + 1 for one in held)
    return 2 * characters > CUE_CHARACTERS or 2 * (held[-1].end_ms - held[0].start_ms) > CUE_MS


def _cue(held: list[Word]) -> Word:
    text = " ".join(" ".join(word.text.split()) for word in held)
    return Word(text, held[0].start_ms, max(held[-1].end_ms, held[0].start_ms))


def _spread(segment: Segment) -> Iterator[Word]:
    words = segment.text.split()
    total = sum(map(len, words))
    length_ms, done = max(0, segment.end_ms - segment.start_ms), 0
    for text in words:
        begin_ms = segment.start_ms + length_ms * done // total
        done += len(text)
        yield Word(text, begin_ms, segment.start_ms + length_ms * done // total)


def _segment(number: int, segment: Segment, temperature: float) -> dict[str, Any]:
    data = segment.text.encode()
    return {
        "id": number,
        "seek": segment.start_ms // _FRAME_MS,
        "start": _s(segment.start_ms),
        "end": _s(segment.end_ms),
        "text": segment.text,
        # Tokens are the recogniser's own affair; the SDKs want a list.
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": _logprob(segment.confidence),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 3),
        "no_speech_prob": round(segment.no_speech, 4),
    }


def _logprob(confidence: float) -> float:
    return round(max(_LEAST_LOGPROB, math.log(confidence)), 4) if confidence else _LEAST_LOGPROB


def _s(milliseconds: int) -> float:
    return milliseconds / 1000


def _clock(milliseconds: int, mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{rest:03}"


def _escaped(text: str) -> str:
    """Return a cue's text in WebVTT: what would be a tag, or an arrow, is none."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
