"""What a page with a widget loads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from edge.settings import EdgeSettings
from edge.widget.settings import WidgetSettings
from subjects.tokens import new_token
from tests.bus import bus_at
from tests.edge.running import served
from tests.plain import PLAIN
from tests.widget_page import scripts

PAGE = Path(__file__).parents[3] / "edge" / "widget" / "page"


@asynccontextmanager
async def demo(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An edge with the demo page, and a client of it."""
    async with (
        bus_at(url) as bus,
        served(bus, new_token("e"), EdgeSettings(), widget=WidgetSettings(demo=True)) as edge,
        httpx2.AsyncClient(base_url=edge.http, **PLAIN) as client,
    ):
        yield client


async def test_a_page_with_a_widget_loads_less_than_15_kilobytes(nats_server: str) -> None:
    """All scripts that it needs to talk, as they are sent, but for those that play and record."""
    async with demo(nats_server) as client:
        loaded = await scripts(client)

    assert {"/browser/phone.js", "/browser/ring.js", "/widget/view.js"} <= loaded.keys()
    assert sum(loaded.values()) <= 15_000, loaded


async def test_the_demo_page_forbids_itself_what_it_does_not_need(nats_server: str) -> None:
    """Its policy is strict, and it has nothing inline that the policy would forbid."""
    async with demo(nats_server) as client:
        page = await client.get("/widget/demo")
        files = re.findall(r'(?:src|href)="(.*?)"', page.text)
        answers = [(await client.get(urljoin("/widget/demo", file))).status_code for file in files]

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.text.count("<voicebus-widget ") == 2
    assert answers == [200, 200, 200]


def test_the_widget_makes_no_markup_and_loads_nothing_from_elsewhere() -> None:
    """Words of servers and sites are text; addresses are those of the edge."""
    sources = [path.read_text(encoding="utf-8") for path in PAGE.iterdir()]

    assert max(len(source.splitlines()) for source in sources) <= 300
    for source in sources:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|style=|onclick=", source
        )
        addresses = set(re.findall(r"[a-z]+://[^\s\"']+", source))
        assert addresses <= {"http://www.w3.org/2000/svg"}, addresses
