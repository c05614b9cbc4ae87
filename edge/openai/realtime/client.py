"""What a Realtime client may say: its events, and how they are checked."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from edge.openai.depth import is_deep
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.items import Item, ItemId
from edge.openai.realtime.session import (
    Instructions,
    JsonObject,
    MaxTokens,
    Modalities,
    Tools,
    explained,
)

LARGEST: Final = 1 << 20
"""Most characters of an event that is no audio: what it holds is read at once, and kept."""

EventId = Annotated[str, Meta(max_length=512)]

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16),
]
"""What a client writes on a response; the bounds are the API's."""


class ClientEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all of them have."""

    event_id: EventId | None = None


class SessionUpdate(ClientEvent, frozen=True, kw_only=True, tag="session.update"):
    """Change the session from here on."""

    session: JsonObject


class TranscriptionUpdate(
    ClientEvent, frozen=True, kw_only=True, tag="transcription_session.update"
):
    """The same, as the beta said it for sessions that only hear."""

    session: JsonObject


class Append(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Audio, in the session's input format and in base64."""

    audio: str

    def decoded(self) -> bytes:
        """Return the bytes.

        Raises:
            BadEvent: It is no base64.
        """
        try:
            return b64decode(self.audio, validate=True)
        except (binascii.Error, ValueError) as err:
            raise BadEvent(
                "Invalid 'audio': expected base64.", "invalid_value", "audio", self.event_id or ""
            ) from err


class Commit(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """What was sent is what the user said."""


class Clear(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Forget what was sent."""


class OutputClear(ClientEvent, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """Stop the server's playback, which only WebRTC has."""


class ItemCreate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Put an item into the conversation."""

    item: Item
    previous_item_id: ItemId | None = None


class ItemRetrieve(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Tell an item as it is."""

    item_id: ItemId


class ItemDelete(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Take an item out."""

    item_id: ItemId


class ItemTruncate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """The user heard an answer's audio up to here, and no more of it."""

    item_id: ItemId
    content_index: Annotated[int, Meta(ge=0)]
    audio_end_ms: Annotated[int, Meta(ge=0)]


class Reference(Struct, frozen=True, kw_only=True, tag_field="type", tag="item_reference"):
    """An item of the conversation, in the input of a response."""

    id: ItemId


class AnswerAudio(Struct, frozen=True, kw_only=True):
    """How one answer sounds; fields as those of the session."""

    output: JsonObject | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """How one response is to be; what it does not say is as the session has it.

    Fields
        conversation: ``none`` for an answer that leaves no trace in the conversation.
        input: What is answered instead of the conversation.
        metadata: The client's own, given back.
        modalities: What beta called ``output_modalities``.
    """

    conversation: str = "auto"
    input: Annotated[tuple[JsonObject, ...], Meta(max_length=256)] | None = None
    instructions: Instructions | None = None
    tools: Tools | None = None
    tool_choice: str | JsonObject | None = None
    output_modalities: Modalities | None = None
    modalities: Modalities | None = None
    max_output_tokens: MaxTokens | None = None
    max_response_output_tokens: MaxTokens | None = None
    metadata: Metadata | None = None
    audio: AnswerAudio | None = None
    voice: str | None = None


class ResponseCreate(ClientEvent, frozen=True, kw_only=True, tag="response.create"):
    """Answer now."""

    response: Asked | None = None


class ResponseCancel(ClientEvent, frozen=True, kw_only=True, tag="response.cancel"):
    """Stop the answer that is being made."""

    response_id: str | None = None


AnyClientEvent = (
    SessionUpdate
    | TranscriptionUpdate
    | Append
    | Commit
    | Clear
    | OutputClear
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
)


class _Head(Struct):
    type: Any = None
    event_id: Any = None


class _Kind(Struct):
    """Of an event that is large: nothing else of it is read."""

    type: str = ""


_decoder: Final[msgspec.json.Decoder[AnyClientEvent]] = msgspec.json.Decoder(AnyClientEvent)
_heads: Final = msgspec.json.Decoder(_Head)
_kinds: Final = msgspec.json.Decoder(_Kind)
_APPEND: Final = "input_audio_buffer.append"


def parse(text: str | bytes) -> AnyClientEvent:
    """Parse an event.

    Raises:
        BadEvent: It is none that we know, is too large, or a field of it cannot be so.
    """
    if len(text) > LARGEST:
        _expect_audio(text)
    try:
        event = _decoder.decode(text)
    except msgspec.ValidationError as err:
        raise _bad(text, str(err)) from err
    except (msgspec.DecodeError, RecursionError, UnicodeError) as err:
        raise BadEvent("The event is not valid JSON.", "invalid_json") from err
    if is_deep(event):
        raise BadEvent("The event is nested too deeply.", "invalid_json")
    return event


def _expect_audio(text: str | bytes) -> None:
    try:
        kind = _kinds.decode(text).type
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        kind = ""
    if kind != _APPEND:
        raise BadEvent(
            f"An event without audio may have {LARGEST} characters.", "request_too_large"
        )


def item_of(given: JsonObject, path: str) -> Item | Reference:
    """Return what an input of a response names.

    Raises:
        BadEvent: It is no item.
    """
    try:
        if given.get("type") == "item_reference":
            return msgspec.convert(given, Reference)
        return msgspec.convert(given, Item)
    except msgspec.ValidationError as err:
        raise BadEvent(*explained(str(err), path)) from err


def _bad(text: str | bytes, reason: str) -> BadEvent:
    try:
        head = _heads.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return BadEvent("An event is a JSON object with a type.", "invalid_event")
    event_id = head.event_id if isinstance(head.event_id, str) else ""
    if reason.endswith("`$.type`") or ("field `type`" in reason and "at `$." not in reason):
        said = head.type if isinstance(head.type, str) else "nothing"
        return BadEvent(f"Invalid value: '{said[:64]}'.", "invalid_value", "type", event_id)
    if "missing required field" in reason:
        missing = reason.partition("field `")[2].partition("`")[0]
        _, _, inside = reason.partition("at `$.")
        param = f"{inside.rstrip('`')}.{missing}" if inside else missing
        return BadEvent(
            f"Missing required parameter: '{param}'.",
            "missing_required_parameter",
            param,
            event_id,
        )
    return BadEvent(*explained(reason, ""), event_id)
