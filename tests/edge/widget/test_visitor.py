"""Visitors of sites: whose pages they come from, and what they may choose."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from edge.settings import EdgeSettings
from edge.widget.sites import Site
from edge.widget.visitor import Visitor
from edge.wire import Input, Output, Start
from schemas.settings import EndOfTurn, SessionSettings
from voicebus.errors import AccessDenied

SHOP = "https://shop.example"
PUBLIC = EdgeSettings(host="0.0.0.0")


def asking(kind: str, **headers: str) -> HTTPConnection:
    """A connection that asks to be let in with these headers."""
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": kind, "headers": given, "path": "/"})


def visitor(site: Site) -> Visitor:
    """A visitor of this site."""
    return Visitor("shop", lambda _: site)


def is_welcome(site: Site, client: HTTPConnection, settings: EdgeSettings = PUBLIC) -> bool:
    """Whether a site lets a caller in."""
    try:
        visitor(site).expect_welcome(client, settings)
    except AccessDenied as err:
        return err.reason != "origin_forbidden"
    return True


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (SHOP, True),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://shop.example.evil.example", False),
        ("https://evil.example", False),
        ("https://voice.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_site_lets_in_its_own_pages(origin: str, expected: bool) -> None:
    """Not those of the edge, either: a site is what it lists."""
    asked = asking("websocket", origin=origin, host="voice.example")

    assert is_welcome(Site(origins=(SHOP,)), asked) is expected


def test_a_program_is_no_page() -> None:
    """Every page names its origin when it opens a WebSocket; when it reads it may name none."""
    site = Site(origins=(SHOP,))

    assert not is_welcome(site, asking("websocket", host="voice.example"))
    assert is_welcome(site, asking("http", host="voice.example"))
    assert not is_welcome(site, asking("http", host="voice.example", origin="https://evil.example"))


@pytest.mark.parametrize(
    ("host", "origin", "listens", "expected"),
    [
        ("voice.example", "https://voice.example", "0.0.0.0", True),
        ("voice.example", "https://evil.example", "0.0.0.0", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1", True),
        ("evil.example:8080", "http://evil.example:8080", "127.0.0.1", False),
    ],
)
def test_self_is_the_edges_own_page(host: str, origin: str, listens: str, expected: bool) -> None:
    """On a laptop that is its own name alone: another name may have been given its address."""
    asked = asking("websocket", host=host, origin=origin)

    assert is_welcome(Site(origins=("self",)), asked, EdgeSettings(host=listens)) is expected


def test_a_page_does_not_choose_the_persona() -> None:
    """All that costs or speaks is the site's; a public key would give it to everybody."""
    ours = SessionSettings(
        instructions="Sell tea.", voice="joe", end_of_turn=EndOfTurn(policy="patient")
    )
    caller = visitor(Site(origins=(SHOP,), session=ours))
    caller.expect_welcome(asking("websocket", origin=SHOP), PUBLIC)

    asked = Start(
        instructions="Write my homework.",
        voice="other",
        language="ru",
        greeting="Hello",
        max_session_s=86_400,
        turn_taking="manual",
        input=Input(format="auto"),
        output=Output(sample_rate=48_000),
        resume=True,
        conversation="new",
    )
    begun = caller.terms(asked)

    assert begun.settings() == SessionSettings(
        instructions="Sell tea.",
        voice="joe",
        end_of_turn=EndOfTurn(policy="patient"),
        language="ru",
    )
    assert begun.input.format == "pcm_s16le", "files are for callers with a key"
    assert (begun.output, begun.resume) == (Output(sample_rate=48_000), True)
    assert begun.conversation == "new"


def test_a_site_chooses_the_language_and_the_medium() -> None:
    """Where it does, the page's wish does not count."""
    site = Site(origins=(SHOP,), mode="text", session=SessionSettings(language="en"))
    caller = visitor(site)
    caller.expect_welcome(asking("websocket", origin=SHOP), PUBLIC)

    begun = caller.terms(Start(language="ru"))

    assert (begun.language, begun.output.audio) == ("en", False)


def test_a_visitor_stays_while_the_site_wants_its_page() -> None:
    """A site that is gone, or has another list, ends those who are there."""
    sites: dict[str, Any] = {"shop": Site(origins=(SHOP,))}

    def find(key: str) -> Site:
        if key not in sites:
            raise AccessDenied("no such site", "site_unknown")
        return Site(origins=sites[key].origins)

    caller = Visitor("shop", find)
    caller.expect_welcome(asking("websocket", origin=SHOP), PUBLIC)
    caller.expect_stay()
    sites["shop"] = Site(origins=("https://other.example",))
    with pytest.raises(AccessDenied) as moved:
        caller.expect_stay()
    sites.clear()
    with pytest.raises(AccessDenied) as gone:
        caller.expect_stay()

    assert [err.value.reason for err in (moved, gone)] == ["origin_forbidden", "site_unknown"]


def test_floods_end_at_the_visitors_share() -> None:
    """The visitor's account comes first: what it refuses is not taken from the site's."""
    caller = visitor(Site(origins=(SHOP,)))
    caller.expect_welcome(asking("websocket", origin=SHOP), PUBLIC)

    near, far = caller.accounts("192.0.2.1")

    assert near.name != far.name
    assert "192.0.2.1" in near.name
    assert (near.allowance.sessions or 0) < (far.allowance.sessions or 0)
