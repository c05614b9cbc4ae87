"""Messages of a session, as the tests of the turn worker's machines need them."""

from __future__ import annotations

from schemas.event import Event
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone
from schemas.session import PlaybackEnded
from schemas.settings import SessionSettings
from schemas.stt import (
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tts import ClauseSpoken, SpeechDone
from services.turn.machine import Conversation
from services.turn.persona import Persona

LIVE = Persona(instructions="Be brief.", output_rate_hz=8_000)
MANUAL = Persona(
    instructions="Be brief.",
    output_rate_hz=8_000,
    settings=SessionSettings(turn_taking="manual"),
)
WRITTEN = Persona(instructions="Be brief.", speak=False)


def of(settings: SessionSettings) -> Persona:
    """An assistant in a session with these settings."""
    return Persona(instructions="Be brief.", settings=settings)


def final(text: str, utterance: int = 1, cause: str = "pause") -> TranscriptFinal:
    """A settled utterance that ends with its second."""
    end_ms = 1000 * utterance
    return TranscriptFinal(
        utterance=utterance,
        text=text,
        start_ms=end_ms - 900,
        end_ms=end_ms,
        end_offset=16 * end_ms,
        cause=cause,  # type: ignore[arg-type]  # one of the three
    )


def speech(utterance: int = 1) -> SpeechStarted:
    """The caller begins to speak."""
    return SpeechStarted(start_ms=1000 * utterance - 900)


def pause(utterance: int = 1, speech_ms: int = 800, final_due_ms: int = 300) -> SpeechPaused:
    """The caller falls silent."""
    return SpeechPaused(
        utterance=utterance,
        end_ms=1000 * utterance,
        speech_ms=speech_ms,
        final_due_ms=final_due_ms,
    )


def resumed(utterance: int = 1) -> SpeechResumed:
    """The caller goes on."""
    return SpeechResumed(utterance=utterance, start_ms=1000 * utterance - 100)


def partial(text: str, utterance: int = 1) -> TranscriptPartial:
    """What the caller seems to say."""
    return TranscriptPartial(utterance=utterance, text=text, start_ms=0, end_ms=700)


def draft(text: str, utterance: int = 1) -> TranscriptDraft:
    """What the final will be if that was all."""
    return TranscriptDraft(utterance=utterance, text=text, end_ms=1000 * utterance)


def clause(turn: int, seq: int, text: str, revision: int = 0) -> ClauseReady:
    """A piece of a reply."""
    return ClauseReady(turn=turn, seq=seq, text=text, revision=revision)


def generated(turn: int, text: str = "Hello there.", revision: int = 0) -> GenerationDone:
    """A reply is written."""
    return GenerationDone(turn=turn, text=text, revision=revision)


def uttered(turn: int, seq: int, text: str, start_ms: int, revision: int = 0) -> ClauseSpoken:
    """A piece of a reply has audio: half a second a word."""
    ends = tuple(start_ms + 500 * (index + 1) for index in range(len(text.split())))
    return ClauseSpoken(
        turn=turn,
        seq=seq,
        text=text,
        start_ms=start_ms,
        end_ms=ends[-1],
        word_ends_ms=ends,
        revision=revision,
    )


def spoken(turn: int, revision: int = 0) -> SpeechDone:
    """A reply is spoken."""
    return SpeechDone(turn=turn, samples=8_000, rate_hz=8_000, revision=revision)


def played(turn: int, played_ms: int = 1000) -> PlaybackEnded:
    """Nothing more of a reply will be heard."""
    return PlaybackEnded(turn=turn, played_ms=played_ms)


def answered(turn: int = 1, text: str = "Hello there.") -> tuple[Event, ...]:
    """Everything that makes and plays a reply."""
    whole = uttered(turn, 0, text, 0)
    return (
        clause(turn, 0, text),
        generated(turn, text),
        whole,
        spoken(turn),
        played(turn, whole.end_ms),
    )


def chat(events: tuple[Event, ...]) -> list[tuple[str, str]]:
    """What the model is asked, without the system prompt."""
    request = next(event for event in events if isinstance(event, GenerateRequest))
    return [(message.role, message.content) for message in request.messages[1:]]


def names(events: tuple[Event, ...]) -> list[str]:
    """The kinds of some messages."""
    return [type(event).__name__ for event in events]


def fed(*events: Event, persona: Persona = LIVE, first_revision: int = 0) -> Conversation:
    """A conversation in which this has happened, all of it at the beginning of time."""
    conversation = Conversation(persona, first_revision)
    conversation.open(0.0)
    for event in events:
        conversation.step(event, 0.0)
    return conversation


def recalled(*events: Event, persona: Persona = LIVE, first_revision: int = 1000) -> Conversation:
    """A conversation that was led by another worker, as the log tells it."""
    conversation = Conversation(persona, first_revision)
    for event in events:
        conversation.recall(event, 0.0)
    return conversation
