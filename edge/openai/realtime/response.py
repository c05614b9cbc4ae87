"""The response object: how an answer is to be, and how it ended. Pure."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, to_builtins

from edge.openai.realtime.items import Item
from edge.openai.realtime.session import Format, FunctionTool, JsonObject
from schemas.llm import GenerationDone


class Wanted(Struct, frozen=True, kw_only=True):
    """How a response is to be: the session as it was when the response was created.

    Fields
        modality: ``audio``, whose words are told, too, or ``text``.
        is_in_conversation: Whether its items become part of the conversation.
        items: What it answers instead of the conversation; None for that.
        metadata: The client's own.
    """

    modality: str
    is_in_conversation: bool = True
    items: tuple[Item, ...] | None = None
    instructions: str = ""
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: str | JsonObject = "auto"
    parallel_tool_calls: bool = True
    max_output_tokens: int | str = "inf"
    metadata: dict[str, str] | None = None
    format: Format
    voice: str = ""
    speed: float = 1.0


class Ending(Struct, frozen=True):
    """How a response ended.

    Fields
        status: ``completed``, ``cancelled``, ``incomplete`` or ``failed``.
        reason: ``turn_detected``, ``client_cancelled``, ``max_output_tokens`` …
        code: Of the error, when it failed.
        message: What the error was, for people.
    """

    status: str
    reason: str = ""
    code: str = ""
    message: str = ""


COMPLETED: Final = Ending("completed")


def described(
    response_id: str,
    wanted: Wanted,
    conversation_id: str | None,
    ending: Ending | None,
    output: list[JsonObject],
    usage: JsonObject,
) -> JsonObject:
    """Return the object that the client is told; ``ending`` is None while it is being made."""
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": "in_progress" if ending is None else ending.status,
        "status_details": None if ending is None else _details(ending),
        "output": output,
        "conversation_id": conversation_id,
        "output_modalities": [wanted.modality],
        "max_output_tokens": wanted.max_output_tokens,
        "audio": {"output": {"format": to_builtins(wanted.format), "voice": wanted.voice}},
        "usage": None if ending is None else usage,
        "metadata": wanted.metadata,
    }


def usage_of(done: GenerationDone | None) -> JsonObject:
    """Return what an answer took, in tokens of its language model: speech is not counted in any."""
    written = 0 if done is None else done.tokens
    read = 0 if done is None else done.prompt_tokens
    return {
        "total_tokens": read + written,
        "input_tokens": read,
        "output_tokens": written,
        "input_token_details": {"text_tokens": read, "audio_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": written, "audio_tokens": 0},
    }


def _details(ending: Ending) -> JsonObject | None:
    if ending.status == "completed":
        return None
    told: dict[str, Any] = {"type": ending.status}
    if ending.reason:
        told["reason"] = ending.reason
    if ending.code:
        told["error"] = {"type": "server_error", "code": ending.code, "message": ending.message}
    return told
