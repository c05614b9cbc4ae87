"""From a session and a request to what the workers are asked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from edge.openai.realtime.client import Asked, Reference, item_of
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.items import Conversation, Item
from edge.openai.realtime.response import Wanted
from edge.openai.realtime.session import JsonObject, Session
from edge.openai.realtime.sound import rate_of
from schemas.codec import encode
from schemas.llm import GenerateRequest, Message, Tool, ToolCall
from schemas.session import AnswerAsked
from schemas.settings import EndOfTurn, SessionSettings
from schemas.stt import TranscribeRequest
from schemas.tts import SpeakRequest

LONGEST_CHARS: Final = 200_000
"""What is handed to the bus of a conversation: the newest items. The model's own bound is less."""

LARGEST_BYTES: Final = 900_000
"""What one request may have: a message of the bus has a megabyte at most."""

_AHEAD_S: Final = 20.0
"""How far speech is made ahead of its own pace: enough for any network, little to throw away."""

GO_ON: Final = "Go on."
"""Said for the user where an answer is asked for and the assistant has spoken last."""


class Naming(Struct, frozen=True, kw_only=True):
    """What the workers call what clients name.

    Fields
        model: The language model; empty for the worker's default.
        voices: Voices by further names; those that are not in it have one name only.
        known_voices: Names that a client may choose; empty: any, as nobody has said what there is.
    """

    model: str = ""
    voices: Mapping[str, str] = {}
    known_voices: tuple[str, ...] = ()

    def expect_voice(self, name: str, param: str) -> None:
        """Ask whether there is a voice.

        Raises:
            BadEvent: ``voice_not_found``.
        """
        if self.known_voices and name not in self.known_voices:
            raise BadEvent(f"There is no voice '{name}'.", "voice_not_found", param)


_POLICIES: Final = {"low": "patient", "medium": "balanced", "high": "eager", "auto": "balanced"}


def wanted_of(session: Session, asked: Asked | None, conversation: Conversation) -> Wanted:
    """Return how a response is to be: as the session says, but for what the request says.

    Raises:
        BadEvent: The request wants something that there is not.
    """
    asked = asked or Asked()
    output = session.audio.output
    changes: JsonObject = {} if asked.audio is None else dict(asked.audio.output or {})
    if asked.voice is not None:
        changes.setdefault("voice", asked.voice)
    if changes:
        output = session.changed({"audio": {"output": changes}}, "response").audio.output
    modalities = asked.output_modalities or asked.modalities or session.output_modalities
    bound = asked.max_output_tokens or asked.max_response_output_tokens
    return Wanted(
        modality="audio" if "audio" in modalities else "text",
        is_in_conversation=asked.conversation != "none",
        items=None if asked.input is None else _items(asked.input, conversation),
        instructions=session.instructions if asked.instructions is None else asked.instructions,
        tools=session.tools if asked.tools is None else asked.tools,
        tool_choice=session.tool_choice if asked.tool_choice is None else asked.tool_choice,
        parallel_tool_calls=session.parallel_tool_calls,
        max_output_tokens=bound or session.max_output_tokens,
        metadata=asked.metadata,
        format=output.format,
        voice=output.voice_name,
        speed=output.speed,
    )


def order_of(wanted: Wanted, items: tuple[Item, ...], naming: Naming, number: int) -> AnswerAsked:
    """Return what the turn worker is asked.

    Args:
        wanted: How the response is to be.
        items: What it answers.
        naming: What the workers call what it names.
        number: Which of the session's answers it is.

    Raises:
        BadEvent: There is nothing to answer, or too much.
    """
    choice, name = _choice(wanted.tool_choice)
    bound = wanted.max_output_tokens
    is_spoken = wanted.modality == "audio"
    generate = GenerateRequest(
        messages=messages_of(wanted.instructions, items),
        model=naming.model,
        max_tokens=bound if isinstance(bound, int) else 0,
        spoken=is_spoken,
        tools=tuple(
            Tool(
                name=tool.name,
                description=tool.description,
                parameters=_json(tool.parameters),
            )
            for tool in wanted.tools
        ),
        tool_choice=choice if wanted.tools else "",
        tool_name=name,
        parallel_tool_calls=wanted.parallel_tool_calls if wanted.tools else None,
    )
    speak = SpeakRequest(
        voice=naming.voices.get(wanted.voice, wanted.voice),
        rate_hz=rate_of(wanted.format),
        speed=wanted.speed,
        ahead_s=_AHEAD_S,
    )
    order = AnswerAsked(generate=generate, speak=speak if is_spoken else None, seq=number)
    if len(encode(order)) > LARGEST_BYTES:
        raise BadEvent(
            "The instructions, tools and items of this response are too large together.",
            "request_too_large",
        )
    return order


def messages_of(instructions: str, items: tuple[Item, ...]) -> tuple[Message, ...]:
    """Return the chat that a conversation is: the instructions, then its newest items.

    Raises:
        BadEvent: There is neither.
    """
    chat = _merged(message for item in _newest(items) if (message := _message(item)) is not None)
    head = [Message(role="system", content=instructions)] if instructions else []
    if chat:
        if chat[-1].role == "assistant" and not chat[-1].tool_calls:
            # What ends with the assistant's words would be gone on with in mid-sentence.
            chat.append(Message(role="user", content=GO_ON))
        return (*head, *chat)
    if not instructions:
        raise BadEvent(
            "There is nothing to answer: no items, and no instructions.", "conversation_empty"
        )
    return (Message(role="user", content=instructions),)


def listening_of(session: Session) -> TranscribeRequest:
    """Return how the recogniser is to listen; what changes later changes nothing of it."""
    heard = session.audio.input
    detection = heard.turn_detection
    ends = EndOfTurn()
    if detection is not None and (eagerness := getattr(detection, "eagerness", None)):
        ends = EndOfTurn(policy=_POLICIES[eagerness])  # type: ignore[arg-type]  # one of three
    elif detection is not None:
        hold_ms = getattr(detection, "silence_duration_ms", 0)
        ends = EndOfTurn(min_hold_ms=hold_ms, max_hold_ms=hold_ms, adapt=False)
    asked = heard.transcription
    spoken = (asked.language or "") if asked is not None else ""
    language = spoken.partition("-")[0].lower()
    is_known = language.isascii() and language.isalpha() and len(language) in (2, 3)
    return TranscribeRequest(
        settings=SessionSettings(
            language=language if is_known else "",
            vocabulary=(asked.prompt or "") if asked is not None else "",
            turn_taking="manual" if detection is None else "pause",
            end_of_turn=ends,
        )
    )


def _items(given: tuple[JsonObject, ...], conversation: Conversation) -> tuple[Item, ...]:
    found: list[Item] = []
    for index, each in enumerate(given):
        item = item_of(each, f"response.input[{index}]")
        if isinstance(item, Reference):
            found.append(conversation.get(item.id))
        else:
            found.append(item.made_by_client(f"input_{index}"))
    return tuple(found)


def _message(item: Item) -> Message | None:
    match item.type:
        case "function_call":
            call = ToolCall(
                id=item.call_id or "", name=item.name or "", arguments=item.arguments or ""
            )
            return Message(role="assistant", content="", tool_calls=(call,))
        case "function_call_output":
            return Message(role="tool", content=item.output or "", tool_call_id=item.call_id or "")
    return Message(role=item.role or "user", content=item.words) if item.words else None


def _merged(messages: Iterable[Message]) -> list[Message]:
    """Join what one of the two said in several items: chat templates want roles to alternate."""
    runs: list[list[Message]] = []
    for message in messages:
        is_joined = message.role not in ("system", "tool")
        if runs and is_joined and runs[-1][0].role == message.role:
            runs[-1].append(message)
        else:
            runs.append([message])
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _joined(run: list[Message]) -> Message:
    calls = [call for message in run for call in message.tool_calls]
    return Message(
        role=run[0].role,
        content=" ".join(message.content for message in run if message.content),
        tool_calls=tuple(
            msgspec.structs.replace(call, index=index) for index, call in enumerate(calls)
        ),
    )


def _newest(items: tuple[Item, ...]) -> tuple[Item, ...]:
    left = LONGEST_CHARS
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        left -= item.chars
        if left < 0:
            return items[place + 1 :]
    return items


def _choice(asked: str | JsonObject) -> tuple[str, str]:
    if isinstance(asked, str):
        return asked, ""
    return "required", str(asked.get("name", ""))


def _json(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()
