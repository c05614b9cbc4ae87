"""The edge as an application: /ws, /interact, the talk page, health and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from structlog.contextvars import bound_contextvars

from edge import interact, websocket
from edge.access import Door
from edge.answers import refused
from edge.call import KIND
from edge.files import Files
from edge.line import Lines
from edge.settings import EdgeSettings
from edge.tts import socket as tts_socket
from edge.tts import stream as tts_stream
from voicebus import health, zeros
from voicebus.errors import AccessDenied, LimitReached
from voicebus.sessions.sessions import Sessions

_TALK: Final = Path(__file__).with_name("talk")
_BROWSER: Final = Path(__file__).with_name("browser")
_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; connect-src 'self' ws: wss:",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def create_app(
    sessions: Sessions,
    settings: EdgeSettings,
    door: Door,
    readiness: health.Readiness,
    further: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the application.

    Args:
        sessions: The edge's sessions.
        settings: Its limits.
        door: Lets callers in.
        readiness: For /readyz.
        further: Routes of other protocols.
    """
    lines = Lines()
    zeros.clients(KIND, interact.KIND, tts_stream.KIND)

    async def page(_: Request) -> Response:
        return FileResponse(_TALK / "index.html", headers=_HEADERS)

    async def ws(socket: WebSocket) -> None:
        try:
            with door.enter(socket) as visit, bound_contextvars(**visit.named):
                await websocket.talk(socket, sessions, settings, lines, visit, KIND)
        except (AccessDenied, LimitReached) as err:
            await socket.send_denial_response(refused(err, KIND))

    async def post(request: Request) -> Response:
        try:
            with door.enter(request) as visit, bound_contextvars(**visit.named):
                return await interact.interact(request, sessions, settings, visit)
        except (AccessDenied, LimitReached) as err:
            return refused(err, interact.KIND)

    async def tts(request: Request) -> Response:
        try:
            with door.enter(request) as visit, bound_contextvars(**visit.named):
                return await tts_stream.stream(request, sessions, settings, visit)
        except (AccessDenied, LimitReached) as err:
            return refused(err, tts_stream.KIND)

    async def tts_ws(client: WebSocket) -> None:
        try:
            with door.enter(client) as visit, bound_contextvars(**visit.named):
                await tts_socket.talk(client, sessions, settings, visit)
        except (AccessDenied, LimitReached) as err:
            await client.send_denial_response(refused(err, tts_stream.KIND))

    routes: list[BaseRoute] = [
        Route("/", page),
        Route("/tts/stream", tts, methods=["POST"]),
        WebSocketRoute("/tts/stream", tts_ws),
        WebSocketRoute("/ws", ws),
        Route("/interact", post, methods=["POST"]),
        Mount("/static", Files(_TALK)),
        Mount("/browser", Files(_BROWSER)),
        *_kept_from_strangers(health.routes(readiness), door),
        *further,
    ]
    return Starlette(routes=routes)


def _kept_from_strangers(routes: list[Route], door: Door) -> list[Route]:
    """Let only those read the metrics who may come in; others need no more than the health."""

    def guarded(route: Route) -> Route:
        async def read(request: Request) -> Response:
            try:
                door.check_reader(request)
            except (AccessDenied, LimitReached) as err:
                return refused(err, "metrics")
            return cast(Response, await route.endpoint(request))

        return Route(route.path, read)

    return [guarded(route) if route.path == "/metrics" else route for route in routes]
