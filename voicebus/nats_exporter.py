"""Asks NATS servers how they are and serves it as Prometheus metrics, beside the bus.

It needs no user of the bus: it reads the servers' monitoring ports, which nobody but the operator
should reach.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx2
import msgspec
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicebus.nats_documents import Connz, Jsz, ServerPages, Varz
from voicebus.nats_metrics import Asked, Disk, page_of

SCOPE: Final = "NATS_EXPORTER_"

_WITHIN_S: Final = 2.0
_JSZ: Final = "/jsz?accounts=true&streams=true&consumers=true&config=true"
_CONNZ: Final = "/connz?sort=pending&limit=1"


class NatsExporterSettings(Struct, frozen=True, kw_only=True):
    """Which servers are asked.

    Fields
        urls: Monitoring addresses of the servers, separated by commas.
        store: Folder of the store, if it is on this machine: its disk is told of, too.
    """

    urls: str = "http://127.0.0.1:8222"
    store: str = ""

    def servers(self) -> tuple[str, ...]:
        """Return the addresses, without a slash at the end."""
        return tuple(url.strip().rstrip("/") for url in self.urls.split(",") if url.strip())


async def ask(servers: Sequence[str]) -> tuple[Asked, ...]:
    """Ask servers, all at once. One that does not answer, or is no NATS server, is told of so.

    Args:
        servers: Their monitoring addresses.
    """
    async with httpx2.AsyncClient(trust_env=False, timeout=_WITHIN_S) as client:
        return tuple(await asyncio.gather(*[_ask(client, server) for server in servers]))


async def _ask(client: httpx2.AsyncClient, server: str) -> Asked:
    address = urlsplit(server).netloc
    try:
        varz, jsz, connz = await asyncio.gather(
            *[client.get(server + page) for page in ("/varz", _JSZ, _CONNZ)]
        )
        pages = ServerPages(
            varz=msgspec.json.decode(varz.content, type=Varz),
            jsz=msgspec.json.decode(jsz.content, type=Jsz),
            connz=msgspec.json.decode(connz.content, type=Connz),
        )
    except (httpx2.HTTPError, msgspec.DecodeError):
        return Asked(address, None)
    return Asked(address, pages)


def route(path: str, servers: Callable[[], Sequence[str]], store: str = "") -> Route:
    """Return the page with the metrics; each request asks the servers.

    Args:
        path: Of the page.
        servers: Returns the monitoring addresses, as of now.
        store: Folder of the store, if it is on this machine.
    """

    async def page(_: Request) -> Response:
        body = page_of(await ask(servers()), _disk(store))
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return Route(path, page)


def _disk(store: str) -> Disk | None:
    if not store:
        return None
    try:
        usage = shutil.disk_usage(store)
    except OSError:
        return None  # the alert on the missing metric says so
    return Disk(free=usage.free, size=usage.total)
