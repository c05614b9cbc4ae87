"""The JSON messages of /ws: what a client may say, and how it is checked."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.settings import SessionSettings
from voicebus.errors import ProtocolError, VoicebusError

PROTOCOL: Final = 1
NEW: Final = "new"
"""Stands for the id of a conversation that begins."""

MAX_JSON_BYTES: Final = 64 * 1024
"""Largest control message."""

Outgoing = dict[str, Any] | bytes
"""What a client is told: a JSON message, or audio."""


class Medium(enum.Enum):
    """How a session is answered."""

    SPEECH = "speech"
    WRITING = "writing"


Turn = Annotated[int, Meta(ge=1, le=2**31)]
Played = Annotated[float, Meta(ge=0, le=3_600_000)]
Frames = Annotated[int, Meta(ge=0, le=2**53)]
Secret = Annotated[str, Meta(max_length=128)]


class Input(Struct, frozen=True, kw_only=True):
    """How audio comes in."""

    format: Literal["auto", "pcm_s16le"] = "auto"


class Output(Struct, frozen=True, kw_only=True):
    """How the answer goes out."""

    audio: bool = True
    sample_rate: Literal[8000, 16000, 24000, 48000] = 24000

    @property
    def medium(self) -> Medium:
        """How the session is answered."""
        return Medium.SPEECH if self.audio else Medium.WRITING


class Start(SessionSettings, frozen=True, kw_only=True, tag_field="type", tag="start"):
    """First message: how this session is to be. All of it may be left out.

    Fields
        input: How audio comes in.
        output: How the answer goes out.
        resume: Whether the client will come back, should its connection break.
        conversation: The conversation to join, by its id; ``new`` begins one.
        link_code: A code instead, made in another session.
    """

    input: Input = Input()
    output: Output = Output()
    resume: bool = False
    conversation: Secret = ""
    link_code: Secret = ""

    def __post_init__(self) -> None:
        """Refuse two conversations at once."""
        if self.conversation and self.link_code:
            raise ValueError("a conversation, or a code for one - at `$.link_code`")

    def settings(self) -> SessionSettings:
        """Return the part that is the session's, without what is the socket's."""
        return SessionSettings(**{name: getattr(self, name) for name in _SETTINGS})

    def within(self, max_session_s: float) -> Start:
        """Return the same with a session that is no longer than the edge allows."""
        asked_s = min(self.max_session_s, max_session_s)
        return msgspec.structs.replace(self, max_session_s=asked_s)


_SETTINGS: Final = SessionSettings.__struct_fields__


class At(Struct, frozen=True, kw_only=True):
    """How far the server had taken what the client sent: what ``ack`` said last.

    Fields
        frames: Number of the client's last frame that is stored.
        samples: How much audio there was in the frames up to it.
        live: Whether a live stream runs.
        muted: Whether the caller is muted.
    """

    frames: Frames = 0
    samples: Frames = 0
    live: bool = False
    muted: bool = False


class Has(Struct, frozen=True, kw_only=True):
    """What the client has of the conversation.

    Fields
        utterance: Number of the last ``final``.
        turn: The turn that began last; all that follows is about it.
        characters: Length of all its ``reply_text``, of words that were taken back as well.
        audio_bytes: Length of its audio.
        spoken: How many ``spoken`` came.
        told: Types of the other messages about it.
    """

    utterance: Frames = 0
    turn: Frames = 0
    characters: Frames = 0
    audio_bytes: Frames = 0
    spoken: Frames = 0
    told: Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=32)] = ()


class Resume(Struct, frozen=True, kw_only=True, tag_field="type", tag="resume"):
    """First message of a client that comes back.

    Fields
        session_id: Its session.
        token: What ``metadata`` gave to it.
        received: Number of the last frame that it has.
        attempt: Counts its tries: one that was overtaken on its way takes nothing from a later one.
        start: What it had said first. With it the session goes on at any server.
        at: What ``ack`` said last.
        has: What it has of the conversation.
    """

    session_id: Secret
    token: Secret
    received: Frames
    attempt: Frames = 0
    start: Start | None = None
    at: At = At()
    has: Has = Has()


class Received(Struct, frozen=True, kw_only=True, tag_field="type", tag="received"):
    """All frames up to this one have arrived, and need not be kept."""

    seq: Frames


class Text(Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """A typed turn."""

    text: Annotated[str, Meta(min_length=1, max_length=8000, pattern=r"\S")]


class EndStream(Struct, frozen=True, kw_only=True, tag_field="type", tag="end_stream"):
    """All audio of this turn has been sent."""


class Cancel(Struct, frozen=True, kw_only=True, tag_field="type", tag="cancel"):
    """Stop the running reply."""


class Heard(Struct, frozen=True, kw_only=True, tag_field="type", tag="played"):
    """How much of a turn's audio was heard so far."""

    turn: Turn
    played_ms: Played


class Flushed(Struct, frozen=True, kw_only=True, tag_field="type", tag="flushed"):
    """The answer to ``flush``: how much of the turn's audio was heard, all in all."""

    turn: Turn
    played_ms: Played


class Keys(Struct, frozen=True, kw_only=True, tag_field="type", tag="keys"):
    """Keys of a telephone were pressed."""

    digits: Annotated[str, Meta(pattern=r"^[0-9*#A-D]{1,32}$(?!\n)")]


class Mute(Struct, frozen=True, kw_only=True, tag_field="type", tag="mute"):
    """Whether live audio is to be taken as silence from here on."""

    muted: bool


class Link(Struct, frozen=True, kw_only=True, tag_field="type", tag="link"):
    """Ask for a code with which another session joins this one's conversation."""


class Forget(Struct, frozen=True, kw_only=True, tag_field="type", tag="forget"):
    """Ask for this session's conversation to be deleted, which ends all its sessions."""


class Ping(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """Ask for a pong."""


ClientMessage = (
    Start
    | Resume
    | Received
    | Text
    | EndStream
    | Cancel
    | Heard
    | Flushed
    | Keys
    | Mute
    | Link
    | Forget
    | Ping
)

_BLANKS: Final = b" \t\r\n"
"""What may stand before a JSON value (RFC 8259, section 2)."""

_decoder: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(ClientMessage)


def parse(text: str) -> ClientMessage:
    """Parse a client's message.

    Raises:
        ProtocolError: With the reason ``message_too_large``, ``invalid_json``, ``unknown_type`` or
            ``bad_field``.
    """
    if len(text) > MAX_JSON_BYTES or len(data := text.encode()) > MAX_JSON_BYTES:
        raise ProtocolError(
            f"a message may have at most {MAX_JSON_BYTES} bytes", "message_too_large"
        )
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as err:
        if not data.lstrip(_BLANKS).startswith(b"{"):
            raise ProtocolError("the message is not a JSON object", "invalid_json") from err
        reason = "unknown_type" if "`$.type`" in str(err) or "field `type`" in str(err) else ""
        raise ProtocolError(_plain(str(err)), reason or "bad_field") from err
    except (msgspec.DecodeError, RecursionError) as err:
        raise ProtocolError("the message is not valid JSON", "invalid_json") from err


def _plain(reason: str) -> str:
    return reason.replace("`$.", "`").replace("`$`", "the message")


def error(failure: VoicebusError | ProtocolError, stage: str = "edge") -> dict[str, Any]:
    """Return the message that tells a client of an error."""
    code = failure.reason if isinstance(failure, ProtocolError) else failure.code
    told: dict[str, Any] = {
        "type": "error",
        "code": code,
        "message": str(failure),
        "stage": stage,
        "retryable": failure.retryable,
    }
    if failure.retry_after_s:
        told["retry_after_s"] = round(failure.retry_after_s, 1)
    return told


def encode(message: dict[str, Any]) -> str:
    """Encode a message for a client."""
    return msgspec.json.encode(message).decode()
