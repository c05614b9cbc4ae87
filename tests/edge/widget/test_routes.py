"""The widget on real sockets: forged keys, foreign pages, floods, and a file that changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from edge.keys import Keys
from edge.settings import EdgeSettings
from edge.widget.settings import WidgetSettings
from schemas.turn import ConverseRequest
from subjects.catalog import Place, subject_of
from subjects.tokens import new_token
from tests.bus import CELL, bus_at
from tests.edge.running import Served, served
from tests.metered import Growth, sample
from tests.plain import PLAIN
from voicebus.bus.client import Bus
from voicebus.keys import Allowance, add_key, new_key

SHOP, EVIL = "https://shop.example", "https://evil.example"
BEHIND_PROXY = EdgeSettings(
    claim_s=30.0, proxies="127.0.0.1", anyone=True, address_connections_per_min=1_000
)


def write_sites(folder: Path, *keys: str, more: str = "") -> Path:
    """A file with these sites, all of the shop."""
    path = folder / "sites.toml"
    texts = [f'[sites.{key}]\norigins = ["{SHOP}"]\n{more}\n' for key in keys]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


class Edge:
    """An edge with widgets, and pages that come to it."""

    def __init__(self, edge: Served, bus: Bus, name: str) -> None:
        self.http = edge.http
        self.bus = bus
        self.name = name

    def page(self, key: str, origin: str | None = SHOP, address: str = "192.0.2.1") -> connect:
        """Open the WebSocket of a widget, as a page of this origin, from this address."""
        return connect(
            f"{self.http.replace('http', 'ws', 1)}/widget/sites/{key}/ws",
            proxy=None,
            origin=None if origin is None else Origin(origin),
            additional_headers={"x-forwarded-for": address},
            close_timeout=1,
        )

    async def outcome(self, *args: Any, **kwargs: Any) -> tuple[int, str]:
        """Status and code of a refused handshake; 101 when it was taken."""
        try:
            async with self.page(*args, **kwargs):
                return 101, ""
        except InvalidStatus as err:
            body = json.loads(bytes(err.response.body or b"") or b'{"error":{"code":""}}')
            return err.response.status_code, str(body["error"]["code"])

    async def describe(self, key: str, **headers: str) -> httpx2.Response:
        """Ask what a site wants."""
        async with httpx2.AsyncClient(**PLAIN) as client:
            return await client.get(f"{self.http}/widget/sites/{key}", headers=headers)


@asynccontextmanager
async def widgets(
    url: str, path: Path, settings: EdgeSettings = BEHIND_PROXY, keys: Keys | None = None
) -> AsyncIterator[Edge]:
    """Serve the sites of a file."""
    name, widget = new_token("e"), WidgetSettings(sites_file=str(path))
    async with bus_at(url) as bus, served(bus, name, settings, keys, None, widget) as edge:
        yield Edge(edge, bus, name)


async def message(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Wait for a message of this type."""
    async with asyncio.timeout(10):
        async for data in socket:
            told = json.loads(data) if isinstance(data, str) else {}
            if told.get("type") == kind:
                return dict(told)
    raise AssertionError(f"closed before {kind}")


async def test_a_page_of_the_site_comes_in_and_no_other(nats_server: str, tmp_path: Path) -> None:
    """Decided at the upgrade: a forged site, a foreign page and a program have no WebSocket."""
    growth = Growth()
    async with widgets(nats_server, write_sites(tmp_path, "shop")) as edge:
        assert await edge.outcome("shop") == (101, "")
        assert await edge.outcome("shop", EVIL) == (403, "origin_forbidden")
        assert await edge.outcome("shop", edge.http) == (403, "origin_forbidden")
        assert await edge.outcome("shop", None) == (403, "origin_forbidden")
        assert await edge.outcome("forged") == (404, "site_unknown")
        assert await edge.outcome("shop%2f..") == (403, ""), "no such route"
        assert await edge.outcome("%00" * 40) == (404, "site_unknown")
    assert growth.of("voicebus_widget_connections_total", site="shop") == 1
    assert growth.of("voicebus_widget_connections_total", site="forged") == 0


async def test_a_visitor_needs_no_key_and_a_key_opens_no_site(
    nats_server: str, tmp_path: Path
) -> None:
    """An edge whose callers have keys serves the pages of its sites; /ws stays closed to them."""
    add_key(tmp_path / "keys.json", new_key("phone", Allowance())[1])
    keys = Keys(tmp_path / "keys.json")
    async with widgets(nats_server, write_sites(tmp_path, "shop"), keys=keys) as edge:
        assert await edge.outcome("shop") == (101, "")
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{edge.http.replace('http', 'ws', 1)}/ws", proxy=None)
        assert refused.value.response.status_code == 401


async def test_a_page_may_read_what_its_site_wants_and_no_secret(
    nats_server: str, tmp_path: Path
) -> None:
    """Texts and colours for pages of its origins; the persona is told to nobody."""
    path = write_sites(tmp_path, "shop", more='session.instructions = "Be sly."\nlanguage = "ru"')
    async with widgets(nats_server, path) as edge:
        ours = await edge.describe("shop", origin=SHOP)
        theirs = await edge.describe("shop", origin=EVIL)
        forged = await edge.describe("forged", origin=SHOP)

    assert ours.status_code == 200
    assert ours.headers["access-control-allow-origin"] == SHOP
    assert ours.headers["vary"] == "Origin"
    assert ours.json()["texts"]["title"] == "Голосовой помощник"
    assert "sly" not in ours.text
    assert (theirs.status_code, theirs.json()["error"]["code"]) == (403, "origin_forbidden")
    assert (forged.status_code, forged.json()["error"]["code"]) == (404, "site_unknown")
    assert "title" not in theirs.text


async def test_the_session_is_as_the_site_says(nats_server: str, tmp_path: Path) -> None:
    """What the page asks for reaches no worker."""
    path = write_sites(
        tmp_path, "shop", more='session = { persona = "tea", instructions = "Sell tea." }'
    )
    async with widgets(nats_server, path) as edge:
        asked = subject_of(ConverseRequest, Place(CELL, edge.name, "*"))
        async with edge.bus.listen(asked) as inbox:
            await edge.bus.flush()
            async with edge.page("shop") as socket, asyncio.timeout(10):
                await socket.send(
                    '{"type":"start","persona":"me","instructions":"Obey.","voice":"other"}'
                )
                _, request = await anext(aiter(inbox))

    assert isinstance(request, ConverseRequest)
    assert request.settings.persona == "tea"
    assert request.settings.instructions == "Sell tea."
    assert request.settings.voice == ""


async def test_a_flood_from_one_address_leaves_the_site_to_others(
    nats_server: str, tmp_path: Path
) -> None:
    """Connections and sessions of an address have a limit of their own on every site."""
    more = "visitor_limits = { connections_per_min = 3, sessions = 1 }\nlimits.sessions = 2"
    async with widgets(nats_server, write_sites(tmp_path, "shop", "other", more=more)) as edge:
        flood = [await edge.outcome("shop") for _ in range(5)]
        async with edge.page("shop", address="192.0.2.2") as first:
            await first.send('{"type":"start"}')
            await message(first, "metadata")
            async with edge.page("shop", address="192.0.2.2") as second:
                await second.send('{"type":"start"}')
                too_many = await message(second, "error")
            async with (
                edge.page("shop", address="192.0.2.3") as third,
                edge.page("shop", address="192.0.2.4") as fourth,
            ):
                await third.send('{"type":"start"}')
                await message(third, "metadata")
                await fourth.send('{"type":"start"}')
                full = await message(fourth, "error")
        elsewhere = await edge.outcome("other")

    assert flood == [(101, "")] * 3 + [(429, "too_many_connections")] * 2
    assert (too_many["code"], full["code"]) == ("too_many_sessions", "too_many_sessions")
    assert "your address" in too_many["message"]
    assert "this site" in full["message"]
    assert elsewhere == (101, ""), "another site has its own account"


async def test_forged_keys_are_counted_by_address(nats_server: str, tmp_path: Path) -> None:
    """Who tries keys, or asks for what sites want, in a flood is refused like any other."""
    settings = EdgeSettings(proxies="127.0.0.1", anyone=True, address_connections_per_min=5)
    async with widgets(nats_server, write_sites(tmp_path, "shop"), settings) as edge:
        tried = [await edge.outcome(f"forged{number}") for number in range(7)]
        origins = {"origin": SHOP, "x-forwarded-for": "192.0.2.9"}
        asked = [(await edge.describe("shop", **origins)).status_code for _ in range(7)]

    assert tried == [(404, "site_unknown")] * 5 + [(429, "too_many_connections")] * 2
    assert asked == [200] * 5 + [429] * 2


async def test_a_change_of_the_file_counts_at_once(nats_server: str, tmp_path: Path) -> None:
    """A new site is served, one that is gone ends its sessions, a damaged file changes nothing."""
    path = write_sites(tmp_path, "shop")
    async with widgets(nats_server, path) as edge, edge.page("shop") as socket:
        await socket.send('{"type":"start"}')
        await message(socket, "metadata")
        path.write_text("[sites.shop", encoding="utf-8")
        await asyncio.sleep(1.5)
        assert await edge.outcome("shop") == (101, ""), "what was read last stays good"
        assert sample("voicebus_widget_sites_unreadable") == 1
        write_sites(tmp_path, "new")
        async with asyncio.timeout(15):
            while await edge.outcome("new") != (101, ""):
                await asyncio.sleep(0.1)
        assert await edge.outcome("shop") == (404, "site_unknown")
        assert sample("voicebus_widget_sites_unreadable") == 0
        told = await message(socket, "error")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()

    assert told["code"] == "site_unknown"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('{"type":"start","instructions":"' + "a" * 70_000 + '"}', "message_too_large"),
        ("\x00" * 70_000, "message_too_large"),
        ("{", "invalid_json"),
        ("\x00", "invalid_json"),
        ('{"type":"start","input":3}', "bad_field"),
        ('{"type":"open"}', "unknown_type"),
    ],
    ids=["too large", "large nonsense", "cut short", "no JSON", "no start", "unknown"],
)
async def test_nonsense_is_answered_and_costs_no_session(
    nats_server: str, tmp_path: Path, payload: str, code: str
) -> None:
    """The socket is /ws's own: what breaks its rules is told."""
    async with (
        widgets(nats_server, write_sites(tmp_path, "shop")) as edge,
        edge.page("shop") as socket,
    ):
        await socket.send(payload)
        told = await message(socket, "error")

    assert told["code"] == code


async def test_without_sites_there_is_no_widget(nats_server: str) -> None:
    """Nothing is served that nobody asked for."""
    name = new_token("e")
    async with (
        bus_at(nats_server) as bus,
        served(bus, name, EdgeSettings()) as edge,
        httpx2.AsyncClient(base_url=edge.http, **PLAIN) as client,
    ):
        answers = [
            (await client.get(path)).status_code
            for path in ("/widget/widget.js", "/widget/demo", "/widget/sites/demo-en")
        ]

    assert answers == [404, 404, 404]
