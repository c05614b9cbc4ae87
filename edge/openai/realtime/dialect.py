"""The names of the beta: taken from every client, used for those that ask for them. Pure.

Beta had the session flat (``voice``, ``input_audio_format``), said ``modalities`` where GA says
``output_modalities``, and ``created`` where GA says that an item was added and is done.

Source: https://platform.openai.com/docs/guides/realtime (beta to GA migration)
"""

from __future__ import annotations

from typing import Any, Final

from edge.openai.realtime.session import JsonObject, merged

HEADER: Final = ("openai-beta", "realtime=v1")
"""With it a client asks for the names of the beta."""

SUBPROTOCOL: Final = "openai-beta.realtime-v1"
"""The same, from a page, which cannot send headers."""

_FORMATS: Final[dict[str, JsonObject]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_RENAMED: Final = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "output_audio_format": ("audio", "output", "format"),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
}
"""Where GA has what beta had at the top."""

_EVENTS: Final = {
    "response.output_text": "response.text",
    "response.output_audio_transcript": "response.audio_transcript",
    "response.output_audio": "response.audio",
}
_CONTENT: Final = {"output_text": "text", "output_audio": "audio"}


def as_ga(session: JsonObject) -> JsonObject:
    """Return a session's fields as GA has them, whichever names they came with."""
    renamed: JsonObject = {}
    for name, given in session.items():
        path = _RENAMED.get(name, (name,))
        value = given
        if name in _RENAMED and path[-1] == "format" and isinstance(given, str):
            value = _FORMATS.get(given, {"type": given})
        for outer in reversed(path):
            value = {outer: value}
        renamed = merged(renamed, value)
    return renamed


def as_beta(event: JsonObject) -> list[JsonObject]:
    """Return what a client of the beta is told instead of an event of GA: none, one or two."""
    kind = event["type"]
    for name, older in _EVENTS.items():
        if kind.startswith(f"{name}."):
            return [{**event, "type": kind.replace(name, older, 1)}]
    match kind:
        case "conversation.item.done":
            return []
        case "conversation.item.added":
            return [{**_with_item(event), "type": "conversation.item.created"}]
        case "session.created" | "session.updated":
            return [{**event, "type": _session_kind(event), "session": flat(event["session"])}]
        case "response.created" | "response.done":
            return [{**event, "response": _response(event["response"])}]
    return [_with_item(event)]


def flat(session: JsonObject) -> JsonObject:
    """Return a session object in the shape of the beta."""
    kept = {name: value for name, value in session.items() if name not in ("audio", "type")}
    for older, path in _RENAMED.items():
        found: Any = session
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        kept.pop(path[0], None)
        kept[older] = _older_format(found) if path[-1] == "format" else found
    modalities = session.get("output_modalities", [])
    kept["modalities"] = ["audio", "text"] if "audio" in modalities else list(modalities)
    return kept


def _session_kind(event: JsonObject) -> str:
    """A session that only hears had an event of its own for what is updated, and none for new."""
    is_updated = event["type"] == "session.updated"
    only_hears = event["session"]["type"] == "transcription"
    return "transcription_session.updated" if is_updated and only_hears else str(event["type"])


def _with_item(event: JsonObject) -> JsonObject:
    item = event.get("item")
    return {**event, "item": _item(item)} if isinstance(item, dict) else event


def _item(item: JsonObject) -> JsonObject:
    parts = item.get("content")
    if not isinstance(parts, list | tuple):
        return item
    renamed = [{**part, "type": _CONTENT.get(part["type"], part["type"])} for part in parts]
    return {**item, "content": renamed}


def _response(response: JsonObject) -> JsonObject:
    older = {name: value for name, value in response.items() if name != "audio"}
    # A reply in speech was said to have both.
    modalities = older.pop("output_modalities")
    older["modalities"] = ["audio", "text"] if "audio" in modalities else modalities
    older["output"] = [_item(item) for item in older["output"]]
    return older


def _older_format(wanted: Any) -> str:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    return next((name for name, known in _FORMATS.items() if known["type"] == kind), "pcm16")
