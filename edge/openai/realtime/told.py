"""Events that several parts of a session tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.budgets import Left
from edge.openai.realtime.items import Item

ServerEvent = dict[str, Any]
"""What the client is told; it has a type, and gets its event_id when it is sent."""


def error(kind: str, code: str, message: str) -> ServerEvent:
    """Something went wrong: ``invalid_request_error`` by the client, ``server_error`` here."""
    told = {"type": kind, "code": code, "message": message, "param": None, "event_id": None}
    return {"type": "error", "error": told}


def added(item: Item, before: str | None) -> list[ServerEvent]:
    """An item is in the conversation, complete."""
    place = {"previous_item_id": before, "item": item.told()}
    return [
        {"type": "conversation.item.added", **place},
        {"type": "conversation.item.done", **place},
    ]


def rate_limits(left: Mapping[str, Left]) -> ServerEvent:
    """What the caller may have yet."""
    limits = [
        {
            "name": name,
            "limit": each.limit,
            "remaining": int(each.remaining),
            "reset_seconds": each.reset_s,
        }
        for name, each in left.items()
    ]
    return {"type": "rate_limits.updated", "rate_limits": limits}


def transcription(what: str, item_id: str, **fields: Any) -> ServerEvent:
    """Something of what the caller said was understood, or was not."""
    kind = f"conversation.item.input_audio_transcription.{what}"
    return {"type": kind, "item_id": item_id, "content_index": 0, **fields}
