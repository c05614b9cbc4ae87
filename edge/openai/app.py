"""The application below /v1, which is mounted into the edge's own."""

from __future__ import annotations

import re
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from edge.openai import chat, models, responses, speech, transcriptions
from edge.openai.description import described
from edge.openai.endpoint import KIND, Api, Endpoint, Handler
from edge.openai.errors import refusal
from edge.openai.realtime import route as realtime
from edge.settings import listed
from subjects.tokens import new_token
from voicebus import zeros
from voicebus.errors import ProtocolError

_ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/models", models.list_models),
    ("GET", "/models/{model:path}", models.retrieve_model),
    ("GET", "/audio/models", models.list_audio_models),
    ("GET", "/audio/voices", models.list_voices),
    ("POST", "/chat/completions", chat.create),
    ("POST", "/audio/speech", speech.create),
    ("POST", "/responses", responses.create),
    ("GET", "/responses/{response}", responses.retrieve),
    ("DELETE", "/responses/{response}", responses.delete),
    ("POST", "/audio/transcriptions", transcriptions.transcribe),
    ("POST", "/audio/translations", transcriptions.translate),
    ("POST", "/realtime/client_secrets", realtime.make_secret),
    ("POST", "/realtime/sessions", realtime.make_session),
    ("POST", "/realtime/transcription_sessions", realtime.make_transcription_session),
    ("POST", "/realtime/calls", realtime.refuse_call),
)
"""Every route of requests: method, path below /v1, and who answers."""

_METHODS: Final = ("GET", "POST", "DELETE")
_READABLE: Final = ("x-request-id", "retry-after", "x-should-retry")
"""Headers of answers that a page may read."""


def routes(api: Api) -> list[BaseRoute]:
    """Return the API and its description, as parts of the edge's application."""
    return [mounted(api), described(_ROUTES)]


def mounted(api: Api) -> Mount:
    """Return all that is below /v1."""
    zeros.clients(KIND)
    below: list[BaseRoute] = [
        Route(path, Endpoint(api, handler, path), methods=[method])
        for method, path, handler in _ROUTES
    ]
    below += realtime.routes(api)
    app = Starlette(
        routes=below,
        middleware=_for_pages(listed(api.edge.origins)),
        exception_handlers={HTTPException: _not_served},
    )
    app.router.redirect_slashes = False
    mount = Mount("/v1", app)
    # Starlette's own stops at a line break, and would leave such a path to the rest of the edge.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


def _for_pages(origins: tuple[str, ...]) -> list[Middleware]:
    """Let browsers hand answers to the pages of other sites that may come in at all (CORS)."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=_READABLE,
        )
    ]


async def _not_served(request: Request, err: Exception) -> Response:
    """Answer a path or a method that there is not, in the shape of all other errors."""
    asked = f"{request.method} {request.url.path}"
    if isinstance(err, HTTPException) and err.status_code == 405:
        told = refusal(ProtocolError(f"{asked} is not served", "method_not_allowed"))
        told.headers.update(err.headers or {})
    else:
        told = refusal(ProtocolError(f"{asked} is not served", "not_found"))
    response = told.response()
    response.headers["x-request-id"] = new_token("req_")
    return response
