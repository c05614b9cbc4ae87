"""The widget's routes: its files, what a site wants it to be, its sessions, and a demo page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from structlog.contextvars import bound_contextvars

from edge import websocket
from edge.access import Door
from edge.answers import refused
from edge.files import Files
from edge.followed import Followed
from edge.line import Lines
from edge.settings import EdgeSettings
from edge.widget.colours import sheet
from edge.widget.settings import WidgetSettings
from edge.widget.sites import Site, read_sites
from edge.widget.texts import chosen, read_texts
from edge.widget.visitor import Visitor
from voicebus import channel_metrics, zeros
from voicebus.errors import AccessDenied, ConfigError, LimitReached
from voicebus.sessions.sessions import Sessions

log: Final = structlog.get_logger()

KIND: Final = "widget"
"""Kind of client, for the log and the metrics."""

_PAGE: Final = Path(__file__).with_name("page")
_DEMO: Final = Path(__file__).with_name("demo.toml")
_DEMO_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_KEPT: Final = "max-age=60"
"""How long a browser need not ask again what a site wants."""


class Sites:
    """The sites of this edge, as their file says.

    Args:
        settings: Name the file.
        keeps: Whether a conversation may go on in further sessions.

    Raises:
        ConfigError: It is not there, or cannot be read.
    """

    def __init__(self, settings: WidgetSettings, *, keeps: bool = True) -> None:
        self._keeps = keeps
        path = Path(settings.sites_file).expanduser() if settings.sites_file else None
        self._texts = read_texts()
        self._file = Followed("sites", path, self._read, channel_metrics.WIDGET_SITES_UNREADABLE)
        if path is not None and self._file.value is None:
            raise ConfigError(
                f"VOICEBUS_EDGE_WIDGET_SITES_FILE={str(path)!r}: there is no such file"
            )
        self._demo = self._read(_DEMO) if settings.demo else {}
        self.follow: Final = self._file.follow

    def find(self, key: str) -> Site:
        """Return a site.

        Raises:
            AccessDenied: ``site_unknown``.
        """
        site = (self._file.value or {}).get(key) or self._demo.get(key)
        if site is None:
            raise AccessDenied("there is no such site here", "site_unknown")
        return site

    def described(self, site: Site, own: str, page: Iterable[str]) -> dict[str, Any]:
        """Return what a page is told of a site: how it looks and reads, nothing of its persona.

        Args:
            site: The site.
            own: Language that the page wants for this widget; empty for none.
            page: Languages of the page and of the person.
        """
        language, texts = chosen(self._texts, site.texts, (own, site.language, *page))
        return {
            "mode": site.mode,
            "conversations": self._keeps,
            "language": language,
            "css": sheet(site.colours),
            "texts": texts,
        }

    def _read(self, path: Path) -> dict[str, Site]:
        return read_sites(path, self._texts["en"].keys())


def routes(
    sites: Sites, sessions: Sessions, settings: EdgeSettings, door: Door, widget: WidgetSettings
) -> list[BaseRoute]:
    """Return the routes below /widget.

    Args:
        sites: Whose pages may have it.
        sessions: The edge's sessions.
        settings: Its limits.
        door: Lets callers in.
        widget: Says whether there is a demo page.
    """
    lines = Lines()
    zeros.clients(KIND)

    async def talk(socket: WebSocket) -> None:
        key = socket.path_params["site"]
        try:
            with (
                door.welcome(socket, Visitor(key, sites.find)) as visit,
                bound_contextvars(**visit.named),
            ):
                channel_metrics.WIDGET_CONNECTIONS.labels(key).inc()
                await websocket.talk(socket, sessions, settings, lines, visit, KIND)
        except (AccessDenied, LimitReached) as err:
            await socket.send_denial_response(refused(err, KIND))

    async def describe(request: Request) -> Response:
        try:
            visitor, asked = Visitor(request.path_params["site"], sites.find), request.query_params
            with door.welcome(request, visitor):
                told = sites.described(visitor.site, asked.get("own", ""), asked.getlist("page"))
                return _readable(JSONResponse(told), visitor.origin)
        except (AccessDenied, LimitReached) as err:
            # Whoever asks may read why not: it is said without a secret.
            return _readable(refused(err, KIND), request.headers.get("origin"))

    async def demo(_: Request) -> Response:
        return FileResponse(_PAGE / "demo.html", headers=_DEMO_HEADERS)

    return [
        *([Route("/widget/demo", demo)] if widget.demo else []),
        Route("/widget/sites/{site}", describe),
        WebSocketRoute("/widget/sites/{site}/ws", talk),
        Mount("/widget", Files(_PAGE)),
    ]


def _readable(answer: Response, origin: str | None) -> Response:
    """Let a page of another origin read an answer."""
    answer.headers["vary"] = "Origin"
    if answer.status_code == 200:
        answer.headers["cache-control"] = _KEPT
    else:
        answer.headers["cache-control"] = "no-store"
    if origin is not None:
        answer.headers["access-control-allow-origin"] = origin
    return answer
