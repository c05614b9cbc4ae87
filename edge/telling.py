"""The words of the protocol: one message of the bus becomes one of the client's. Pure."""

from __future__ import annotations

from typing import Any

from edge.timeline import Timeline
from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta
from schemas.stt import TranscriptFinal, TranscriptPartial
from schemas.tts import ClauseSpoken, SpeechDone
from schemas.turn import HangUp, TurnEnded, TurnStarted

Message = dict[str, Any]


def partial(event: TranscriptPartial) -> Message:
    """What was understood so far."""
    return {
        "type": "partial",
        "utterance": event.utterance,
        "text": event.text,
        "stable": event.stable,
        "start_ms": event.start_ms,
        "end_ms": event.end_ms,
    }


def final(event: TranscriptFinal) -> Message:
    """What was said."""
    told: Message = {
        "type": "final",
        "utterance": event.utterance,
        "text": event.text,
        "start_ms": event.start_ms,
        "end_ms": event.end_ms,
        "language": event.language,
        "confidence": round(event.confidence, 3),
    }
    if event.completion >= 0:
        told["completion"] = round(event.completion, 3)
    if event.words:
        told["words"] = [
            {"text": word.text, "start_ms": word.start_ms, "end_ms": word.end_ms}
            for word in event.words
        ]
    return _labelled(told, event)


def turn_started(event: TurnStarted) -> list[Message]:
    """A turn began; what the assistant says by itself is known at once."""
    told: Message = {"type": "turn_started", "turn": event.turn, "text": event.text}
    if not event.said:
        return [told]
    told["said"] = event.said
    return [
        told,
        {"type": "reply_text", "turn": event.turn, "text": event.said},
        {"type": "reply_done", "turn": event.turn, "text": event.said},
    ]


def hang_up(event: HangUp) -> Message:
    """The session is to end."""
    told: Message = {"type": "hang_up", "reason": event.reason}
    return {**told, "to": event.to} if event.to else told


def turn_ended(event: TurnEnded) -> Message:
    """A turn is over."""
    told: Message = {"type": "turn_ended", "turn": event.turn, "outcome": event.outcome}
    if event.outcome == "interrupted":
        told["reply"] = event.reply
    if event.heard_ms >= 0:
        told["heard_ms"] = event.heard_ms
    return told


def reply_text(event: TokenDelta) -> Message:
    """A piece of the reply."""
    told: Message = {"type": "reply_text", "turn": event.turn, "text": event.text}
    return {**told, "anew": True} if event.anew else told


def reply_done(event: GenerationDone) -> Message:
    """The whole reply."""
    return _labelled({"type": "reply_done", "turn": event.turn, "text": event.text}, event)


def spoken(event: ClauseSpoken) -> Message:
    """Where in the audio which words are."""
    return {
        "type": "spoken",
        "turn": event.turn,
        "text": event.text,
        "start_ms": event.start_ms,
        "end_ms": event.end_ms,
        "word_ends_ms": event.word_ends_ms,
    }


def audio_complete(event: SpeechDone) -> Message:
    """All audio of a turn was sent."""
    told = {
        "type": "audio_complete",
        "turn": event.turn,
        "audio_seconds": round(event.samples / event.rate_hz, 3),
    }
    return _labelled(told, event)


def latency(timeline: Timeline, turn: int, sent_s: float) -> Message:
    """Where the time went."""
    return {
        "type": "latency",
        "turn": turn,
        "response_ms": timeline.response_ms(sent_s),
        "stages": timeline.stages(sent_s),
    }


def error(event: Failure) -> Message:
    """A stage could not do its work."""
    told: Message = {
        "type": "error",
        "code": event.code,
        "message": event.message,
        "stage": event.stage,
        "retryable": event.retryable,
    }
    if event.turn:
        told["turn"] = event.turn
    return told


def _labelled(told: Message, event: TranscriptFinal | GenerationDone | SpeechDone) -> Message:
    if event.synthetic:
        told["synthetic"] = True
    return told
