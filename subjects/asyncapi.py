"""The AsyncAPI 3 document, generated from the catalog.

Run ``python -m subjects.asyncapi`` to print it; a test compares it with the committed file.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from schemas.event import Event
from subjects.catalog import CATALOG, Route
from subjects.streams import Limits, streams

_PARAMETERS = {
    "cell": "The cluster that carries the session.",
    "edge": "The edge process that brought the session in.",
    "session": "The session's id.",
    "role": "stt, turn, llm, tts or tool.",
    "job": "`session` for a claim on a whole session, else the turn and revision.",
    "worker": "Name of the worker's process.",
    "stage": "stt, turn, llm, tts or tool.",
    "bot": "Telegram's number of the bot.",
    "item": "Telegram's number of the chat, with that of its topic, or of the update; a persona, "
    "with the number of the part; a server of functions.",
    "secret": "The conversation's id, or the digest of a link code.",
}


def document() -> dict[str, Any]:
    """Return the document as plain data."""
    _, schemas = msgspec.json.schema_components(
        tuple(CATALOG), ref_template="#/components/schemas/{name}"
    )
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for kind, route in CATALOG.items():
        name = _channel_name(route)
        channel = channels.setdefault(name, _channel(route))
        channel["messages"][kind.__name__] = {"$ref": f"#/components/messages/{kind.__name__}"}
        readers = route.readers or route.rereaders or route.lookers
        operations[f"publish{kind.__name__}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"Published by {_listed(route.writers)}, read by {_listed(readers)}.",
            "messages": [{"$ref": f"#/channels/{name}/messages/{kind.__name__}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "voicebus",
            "version": "1",
            "description": "Messages on the bus. Payloads are msgpack maps with a `type` tag.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/msgpack",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in CATALOG},
            "schemas": schemas,
        },
        "x-streams": [msgspec.to_builtins(stream) for stream in streams(Limits())],
    }


def _listed(roles: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(roles[:-1]), roles[-1])))


def _channel_name(route: Route) -> str:
    words = [word for word in re.split(r"[.{}]+", route.pattern) if word]
    unsaid = {"vb", "$KV", "cell", "edge", "session", "secret"}
    kept = [word for word in words if word not in unsaid]
    return "_".join(kept)


def _channel(route: Route) -> dict[str, Any]:
    recorded = f"Recorded by the stream {route.stream}." if route.stream else "Not recorded."
    fenced = " Fenced by the writer's claim." if route.fenced else ""
    return {
        "address": route.pattern,
        "description": recorded + fenced,
        "parameters": {
            name: {"description": _PARAMETERS[name]}
            for name in re.findall(r"{(\w+)}", route.pattern)
        },
        "messages": {},
    }


def _message(kind: type[Event]) -> dict[str, Any]:
    summary = (kind.__doc__ or "").strip().split("\n", 1)[0]
    return {
        "name": str(kind.__struct_config__.tag),
        "title": kind.__name__,
        "summary": summary,
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def render() -> str:
    """Return the document as indented JSON (every JSON document is YAML too)."""
    return msgspec.json.format(msgspec.json.encode(document(), order="sorted"), indent=2).decode()


if __name__ == "__main__":
    print(render())  # noqa: T201 - the document is this module's output
