"""Which pages may use the edge. A browser sends anybody's page here, with the person's address."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from edge.budgets import is_loopback
from edge.settings import EdgeSettings, listed
from voicebus.errors import AccessDenied


def check_origin(client: HTTPConnection, settings: EdgeSettings) -> None:
    """Let programs in, which send no origin, the edge's own pages, and those of the settings.

    Raises:
        AccessDenied: ``origin_forbidden``: it is another site's page.
    """
    origin = client.headers.get("origin")
    if origin is None:
        return
    allowed = listed(settings.origins)
    if "*" in allowed or origin in allowed:
        return
    if _place(origin) != client.headers.get("host"):
        raise AccessDenied("this page may not use voicebus", "origin_forbidden")


def check_host(client: HTTPConnection, settings: EdgeSettings) -> None:
    """Refuse a page that gave its own name the address of this machine (DNS rebinding).

    Such a page is of the same origin as what it reaches. Where everybody on this machine is
    welcome, the name that a browser asks for has to be this machine's own.

    Raises:
        AccessDenied: ``origin_forbidden``.
    """
    origin = client.headers.get("origin")
    if origin is None or {"*", origin} & set(listed(settings.origins)):
        return
    name = urlsplit(f"//{_place(origin)}").hostname or ""
    if not (is_loopback(name) or name.endswith(".localhost")):
        raise AccessDenied("this page may not use voicebus", "origin_forbidden")


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # half an IPv6 address
        return ""
