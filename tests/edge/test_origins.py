"""Which pages may use the edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from edge.origins import check_host, check_origin
from edge.settings import EdgeSettings
from voicebus.errors import AccessDenied


def socket(**headers: str) -> WebSocket:
    """A connection that asks to be let in with these headers."""
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "websocket", "headers": given, "path": "/ws"}

    async def never(*_: object) -> Any:
        raise AssertionError("nothing is received or sent to decide this")

    return WebSocket(scope, never, never)


def is_let_in(
    check: Callable[[HTTPConnection, EdgeSettings], None], asking: WebSocket, origins: str = ""
) -> bool:
    """Whether a check finds nothing wrong with the origin."""
    try:
        check(asking, EdgeSettings(origins=origins))
    except AccessDenied as err:
        return err.reason != "origin_forbidden"
    return True


@pytest.mark.parametrize(
    ("origin", "origins", "is_welcome"),
    [
        ("http://voice.example:8080", "", True),
        ("https://voice.example:8080", "", True),
        ("http://voice.example", "", False),
        ("http://evil.example", "", False),
        ("http://evil.example/voice.example:8080", "", False),
        ("null", "", False),
        ("", "", False),
        ("http://app.example", "http://other.example, http://app.example", True),
        ("http://app.example.evil.example", "http://app.example", False),
        ("http://anyone.example", "*", True),
        ("http://[", "", False),
    ],
)
def test_a_browser_may_connect_from_our_page_or_a_named_one(
    origin: str, origins: str, is_welcome: bool
) -> None:
    """Same host and port, or listed in the settings; nothing that only looks like it."""
    asking = socket(host="voice.example:8080", origin=origin)

    assert is_let_in(check_origin, asking, origins) is is_welcome


def test_a_client_that_is_no_browser_may_connect() -> None:
    """Programs send no origin."""
    asking = socket(host="voice.example")

    assert is_let_in(check_origin, asking)
    assert is_let_in(check_host, asking)


@pytest.mark.parametrize(
    ("origin", "origins", "is_welcome"),
    [
        ("http://localhost:8080", "", True),
        ("http://127.0.0.1:8080", "", True),
        ("http://[::1]:8080", "", True),
        ("http://voice.localhost", "", True),
        ("http://evil.example:8080", "", False),
        ("http://localhost.evil.example", "", False),
        ("http://192.0.2.1", "", False),
        ("http://[", "", False),
        ("null", "", False),
        ("http://app.example", "http://app.example", True),
        ("http://app.example", "*", True),
    ],
)
def test_a_name_that_was_given_this_machines_address_is_no_name_of_ours(
    origin: str, origins: str, is_welcome: bool
) -> None:
    """DNS rebinding: the page's own name leads to loopback, and looks like the same origin."""
    asking = socket(host=origin.rpartition("/")[2], origin=origin)

    assert is_let_in(check_host, asking, origins) is is_welcome
