"""GET /openapi.json: the API described for programs, made from the structs that read its bodies.

Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.openai.chat_request import ChatRequest
from edge.openai.endpoint import Handler
from edge.openai.realtime.route import OlderSecretAsked, SecretAsked
from edge.openai.recordings import TranscriptionRequest
from edge.openai.responses_request import ResponsesRequest
from edge.openai.speech import SpeechRequest
from voicebus.audio.encode import FORMATS

Row = tuple[str, str, Handler]
"""Method, path below /v1, and who answers."""

BODIES: Final[dict[str, Any]] = {
    "/chat/completions": ChatRequest,
    "/responses": ResponsesRequest,
    "/audio/speech": SpeechRequest,
    "/realtime/client_secrets": SecretAsked,
    "/realtime/sessions": OlderSecretAsked,
    "/realtime/transcription_sessions": OlderSecretAsked,
}
"""What the JSON bodies of POST are read into."""

FORMS: Final[dict[str, Any]] = {
    "/audio/transcriptions": TranscriptionRequest,
    "/audio/translations": TranscriptionRequest,
}
"""What the fields of forms are read into; each form has a file, too. They may be JSON as well."""

_JSON: Final = ("application/json",)
_EVENTS: Final = (*_JSON, "text/event-stream")
_TEXTS: Final = (*_EVENTS, "text/plain")
_ANSWERS: Final = {
    "/chat/completions": _EVENTS,
    "/responses": _EVENTS,
    "/audio/transcriptions": _TEXTS,
    "/audio/translations": _TEXTS,
    "/audio/speech": (*(chosen.mime for chosen in FORMATS.values()), "text/event-stream"),
}
"""Media types of good answers, where they are not JSON alone."""

NOT_SERVED: Final = {"/realtime/calls": "WebRTC is not served: a WebSocket to /v1/realtime is."}
"""What every request there is answered with 501, so that clients see that it was not mistyped."""

_REFUSALS: Final = {
    "4XX": "The request is wrong, too much, or the caller may not.",
    "5XX": "It cannot be done now.",
}
_ABOUT: Final = (
    "/v1/realtime is a WebSocket, for which OpenAPI has no words; it is not described here."
)
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def described(rows: Iterable[Row]) -> Route:
    """Return the route that describes others."""
    description = describe(rows)

    async def read(_: Request) -> Response:
        return JSONResponse(description)

    return Route("/openapi.json", read)


def describe(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the description of routes."""
    read = {**BODIES, **FORMS}
    schemas, components = msgspec.json.schema_components(
        read.values(), ref_template="#/components/schemas/{name}"
    )
    bodies = dict(zip(read, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for method, path, handler in rows:
        shown = re.sub(r":\w+}", "}", f"/v1{path}")
        operation: dict[str, Any] = {
            "summary": (inspect.getdoc(handler) or "").partition("\n")[0],
            "parameters": [_parameter(name) for name in re.findall(r"{(\w+)}", shown)],
            "responses": _responses(path),
        }
        if method == "POST" and path in bodies:
            operation["requestBody"] = {"required": True, "content": _content(path, bodies[path])}
        paths.setdefault(shown, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "voicebus: OpenAI's API", "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _content(path: str, body: dict[str, Any]) -> dict[str, Any]:
    if path in BODIES:
        return {"application/json": {"schema": body}}
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    data = _with("data", {"type": "string", "contentEncoding": "base64"})
    return {
        "multipart/form-data": {"schema": {"allOf": [body, _with("file", file)]}},
        "application/json": {"schema": {"allOf": [body, _with("input_audio", data)]}},
    }


def _with(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: schema}}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _responses(path: str) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    good: dict[str, Any] = {media: {} for media in _ANSWERS.get(path, _JSON)}
    if why_not := NOT_SERVED.get(path):
        first = {"501": {"description": why_not, "content": error}}
    else:
        first = {"200": {"description": "Done.", "content": good}}
    return {
        **first,
        **{status: {"description": why, "content": error} for status, why in _REFUSALS.items()},
    }
