"""Bytes <-> messages. The only place that knows the encoding (msgpack)."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from schemas.audio import AudioChunk, AudioEnded
from schemas.claim import Claimed, ClaimLeft, Demand, DrainAsked, Presence
from schemas.conversation import ConversationKept, Joined, LinkAsked, LinkKept, LinkMade
from schemas.dead import DeadLetter
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import (
    ClauseReady,
    GenerateRequest,
    GenerationDone,
    SummariseRequest,
    SummaryMade,
    TokenDelta,
)
from schemas.persona import FaqKept, PersonaKept
from schemas.session import (
    AnswerAsked,
    CancelAsked,
    ClientLost,
    ClientReturned,
    ForgetAsked,
    KeysPressed,
    PlaybackEnded,
    Played,
    SessionClosed,
    SessionOpened,
    TurnTakingSet,
    UserText,
)
from schemas.stt import (
    AudioConsumed,
    PassageCut,
    PassageRecognised,
    RecogniseRequest,
    SilenceHeard,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.telegram import (
    BotOwned,
    ChatKept,
    UpdateAccepted,
    UpdateAnswering,
    UpdateSettled,
)
from schemas.tool import CallsAsked, CallsBegun, CallsEnded, ToolDone, ToolRequest, ToolsKept
from schemas.tts import ClauseSpoken, ReplyChunk, SpeakRequest, SpeechDone
from schemas.turn import (
    ConverseRequest,
    HangUp,
    NothingHeard,
    ReplyPaused,
    ReplyResumed,
    Resumed,
    SessionMoved,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from schemas.usage import TokensUsed
from schemas.voice import PhraseKept, VoiceKept

EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    AudioChunk,
    AudioEnded,
    TranscribeRequest,
    SpeechStarted,
    TranscriptPartial,
    SpeechPaused,
    SpeechResumed,
    TranscriptDraft,
    TranscriptFinal,
    AudioConsumed,
    SilenceHeard,
    RecogniseRequest,
    PassageCut,
    PassageRecognised,
    ConverseRequest,
    TurnStarted,
    TurnEnded,
    TurnCancelled,
    ReplyPaused,
    ReplyResumed,
    HangUp,
    NothingHeard,
    SessionMoved,
    Resumed,
    GenerateRequest,
    TokenDelta,
    ClauseReady,
    GenerationDone,
    TokensUsed,
    SummariseRequest,
    SummaryMade,
    SpeakRequest,
    ReplyChunk,
    ClauseSpoken,
    SpeechDone,
    SessionOpened,
    SessionClosed,
    ClientLost,
    ClientReturned,
    UserText,
    TurnTakingSet,
    AnswerAsked,
    CancelAsked,
    ForgetAsked,
    KeysPressed,
    Played,
    PlaybackEnded,
    Joined,
    LinkAsked,
    LinkMade,
    LinkKept,
    ConversationKept,
    PersonaKept,
    FaqKept,
    CallsAsked,
    CallsBegun,
    CallsEnded,
    ToolRequest,
    ToolDone,
    ToolsKept,
    PhraseKept,
    VoiceKept,
    Failure,
    Claimed,
    ClaimLeft,
    DeadLetter,
    DrainAsked,
    Demand,
    Presence,
    BotOwned,
    UpdateAccepted,
    UpdateAnswering,
    UpdateSettled,
    ChatKept,
)
"""Every message type, in the order of a turn."""

AnyEvent = (
    AudioChunk
    | AudioEnded
    | TranscribeRequest
    | SpeechStarted
    | TranscriptPartial
    | SpeechPaused
    | SpeechResumed
    | TranscriptDraft
    | TranscriptFinal
    | AudioConsumed
    | SilenceHeard
    | RecogniseRequest
    | PassageCut
    | PassageRecognised
    | ConverseRequest
    | TurnStarted
    | TurnEnded
    | TurnCancelled
    | ReplyPaused
    | ReplyResumed
    | HangUp
    | NothingHeard
    | SessionMoved
    | Resumed
    | GenerateRequest
    | TokenDelta
    | ClauseReady
    | GenerationDone
    | TokensUsed
    | SummariseRequest
    | SummaryMade
    | SpeakRequest
    | ReplyChunk
    | ClauseSpoken
    | SpeechDone
    | SessionOpened
    | SessionClosed
    | ClientLost
    | ClientReturned
    | UserText
    | TurnTakingSet
    | AnswerAsked
    | CancelAsked
    | ForgetAsked
    | KeysPressed
    | Played
    | PlaybackEnded
    | Joined
    | LinkAsked
    | LinkMade
    | LinkKept
    | ConversationKept
    | PersonaKept
    | FaqKept
    | CallsAsked
    | CallsBegun
    | CallsEnded
    | ToolRequest
    | ToolDone
    | ToolsKept
    | PhraseKept
    | VoiceKept
    | Failure
    | Claimed
    | ClaimLeft
    | DeadLetter
    | DrainAsked
    | Demand
    | Presence
    | BotOwned
    | UpdateAccepted
    | UpdateAnswering
    | UpdateSettled
    | ChatKept
)

MalformedMessage = msgspec.DecodeError
"""Raised by :func:`decode`: not msgpack, an unknown tag, or a field of the wrong type.

The library itself has other errors for text that is no UTF-8 and for what is nested too deeply.
"""


T = TypeVar("T")


class _Typed(Struct):
    type: str


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[AnyEvent]] = msgspec.msgpack.Decoder(AnyEvent)
_typed: Final = msgspec.msgpack.Decoder(_Typed)


def encode(event: Event) -> bytes:
    """Encode a message."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """Decode a message.

    Raises:
        MalformedMessage: The bytes are not a message of :data:`EVENT_TYPES`.
    """
    return _read(_decoder, data)


def type_of(data: bytes) -> str:
    """Return the type that a message names, be it one that we know or of another release.

    Raises:
        MalformedMessage: The bytes are no message of any release.
    """
    return _read(_typed, data).type


def _read(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (RecursionError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"{type(error).__name__}: {error}") from error
