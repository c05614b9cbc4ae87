"""Spans, read off the messages in which the stages say what they did. Pure.

Every output of a stage is one message, which has its times; so no stage measures anything twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from schemas.audio import CALLER_RATE_HZ
from schemas.event import Event
from schemas.llm import GenerateRequest, GenerationDone
from schemas.stt import PassageRecognised, RecogniseRequest, TranscriptFinal
from schemas.tool import ToolDone, ToolRequest
from schemas.tts import SpeakRequest, SpeechDone
from schemas.turn import TurnEnded, TurnStarted
from voicebus.tracing import conventions as names
from voicebus.tracing.book import Entry, spoken_ns
from voicebus.tracing.context import TraceContext, new_span_id

Attribute: TypeAlias = str | int | float | bool | Sequence[str]
Done: TypeAlias = GenerationDone | SpeechDone | PassageRecognised | ToolDone

_REASONS: Final = {"completed": "completed", "interrupted": "interrupted"}


class Span(Struct, frozen=True, kw_only=True):
    """Something that took its time.

    Fields
        name: What.
        trace_id: Its trace.
        span_id: It.
        parent_id: Of what it is a part; empty for the root.
        start_ns: When it began, in ns since 1970.
        end_ns: When it ended.
        attributes: What else is known.
        error: Why it failed; empty where it did not.
        consumes: Whether it is the work on a message of somebody else's.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Attribute]
    error: str = ""
    consumes: bool = False


def child(context: TraceContext, name: str, start_ns: int, end_ns: int, **given: Any) -> Span:
    """Make a span below the root of a trace."""
    return Span(
        name=name,
        trace_id=context.trace_id,
        span_id=new_span_id(),
        parent_id=context.span_id,
        start_ns=min(start_ns, end_ns),
        end_ns=end_ns,
        **given,
    )


def of_utterance(
    session: str, final: TranscriptFinal, context: TraceContext, now_ns: int
) -> Iterator[Span]:
    """Yield the spans of an utterance: from its first sample to its final, and the hold in it."""
    decided_ns = now_ns - int(final.compute_ms * 1e6)
    heard = child(
        context,
        names.SPEECH_TO_TEXT,
        now_ns - spoken_ns(final),
        now_ns,
        attributes={
            names.OPERATION: names.SPEECH_TO_TEXT,
            names.CONVERSATION: session,
            names.UTTERANCE: final.utterance,
            names.HOLD_MS: final.hold_ms,
            names.COMPUTE_MS: round(final.compute_ms, 2),
            names.CAUSE: final.cause,
            **({names.INPUT_LANGUAGE: final.language} if final.language else {}),
        },
    )
    yield heard
    yield Span(
        name=names.ENDPOINTING,
        trace_id=context.trace_id,
        span_id=new_span_id(),
        parent_id=heard.span_id,
        start_ns=decided_ns - final.hold_ms * 1_000_000,
        end_ns=decided_ns,
        attributes={names.UTTERANCE: final.utterance, names.CAUSE: final.cause},
    )


def of_turn(
    session: str, ended: TurnEnded, started: TurnStarted | None, entry: Entry, now_ns: int
) -> Span:
    """Return the root: a turn, from the caller's first sample to the end of its reply."""
    return Span(
        name=names.INVOKE_AGENT,
        trace_id=entry.context.trace_id,
        span_id=entry.context.span_id,
        parent_id=entry.parent,
        start_ns=min(entry.begun_ns, now_ns),
        end_ns=now_ns,
        attributes={
            names.OPERATION: names.INVOKE_AGENT,
            names.AGENT: "voicebus",
            names.CONVERSATION: session,
            names.TURN: ended.turn,
            names.REVISION: ended.revision,
            names.OUTCOME: ended.outcome,
            names.SPECULATED: started is not None and started.speculated,
            **({names.HEARD_MS: ended.heard_ms} if ended.heard_ms >= 0 else {}),
            **({names.END_REASON: _REASONS[ended.outcome]} if ended.outcome in _REASONS else {}),
            **({names.ERROR: ended.outcome} if ended.outcome == "failed" else {}),
        },
        error="the turn failed" if ended.outcome == "failed" else "",
    )


def asked(role: str, session: str, request: Event) -> dict[str, Attribute]:
    """Return what is known of a job at its beginning."""
    known: dict[str, Attribute] = {
        names.OPERATION: names.OPERATIONS[role],
        names.CONVERSATION: session,
        names.PASSAGE if isinstance(request, RecogniseRequest) else names.TURN: request.turn,
        names.REVISION: request.revision,
    }
    match request:
        case GenerateRequest():
            known[names.REQUEST_MODEL] = request.model
            known[names.REQUEST_MAX_TOKENS] = request.max_tokens
        case ToolRequest():
            known[names.TOOL_NAME] = request.name
            known[names.TOOL_TYPE] = "function"
            known[names.TOOL_CALL] = request.call
            known[names.SERVER] = request.server
            known[names.ROUND] = request.round
        case SpeakRequest():
            known[names.VOICE] = request.voice
    return {name: value for name, value in known.items() if value not in ("", 0)}


def done(event: Done) -> dict[str, Attribute]:
    """Return what is known of a job at its end."""
    match event:
        case GenerationDone():
            return {
                names.RESPONSE_MODEL: event.model,
                names.FINISH_REASONS: [event.finish_reason],
                names.INPUT_TOKENS: event.prompt_tokens,
                names.OUTPUT_TOKENS: event.tokens,
                names.TTFT_MS: round(event.ttft_ms, 2),
                **({names.PROVIDER: event.provider} if event.provider else {}),
            }
        case ToolDone():
            return {}
        case SpeechDone():
            return {
                names.TTFA_MS: round(event.ttfa_ms, 2),
                names.AUDIO_MS: event.samples * 1000 // event.rate_hz,
            }
        case PassageRecognised():
            return {
                names.COMPUTE_MS: round(event.compute_ms, 2),
                names.AUDIO_MS: (event.end - event.start) * 1000 // CALLER_RATE_HZ,
                **({names.INPUT_LANGUAGE: event.language} if event.language else {}),
            }
