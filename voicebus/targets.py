"""Where Prometheus finds the processes that a supervisor of ours runs: its HTTP service discovery.

Each part has a port that is chosen at the start. The list names what should run, not what answers:
a part that died stays on it, and its ``up`` is 0 until it is back.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from voicebus import health, nats_exporter
from voicebus.errors import ConfigError
from voicebus.supervisor import Part, Supervisor

PORT: Final = 9464
"""Where the list is, unless that port is in use."""

NATS_PATH: Final = "/nats"
"""Path of the bus's metrics on the page of ``voicebus up``."""

_OURS: Final = "/readyz"
_SERVER: Final = "/healthz"

Targets = list[dict[str, Any]]
"""Groups of addresses with their labels, as Prometheus wants them."""


def targets(parts: Iterable[Part], own: str, name: str = "up") -> Targets:
    """Return where the metrics of a system are.

    Args:
        parts: What runs. Those with no metrics of ours (llama.cpp) are left out.
        own: ``host:port`` of the page of who runs them.
        name: Who that is.
    """
    every = list(parts)
    groups = [_group(own, name)]
    if servers(every):
        groups.append(_group(own, "nats", __metrics_path__=NATS_PATH))
    ours = [part for part in every if part.ready_url.endswith(_OURS)]
    return groups + [_group(urlsplit(part.ready_url).netloc, part.name) for part in ours]


def servers(parts: Iterable[Part]) -> tuple[str, ...]:
    """Return the monitoring addresses of the bus's servers among the parts."""
    return tuple(
        part.ready_url.removesuffix(_SERVER) for part in parts if part.ready_url.endswith(_SERVER)
    )


def bind(wanted: int) -> socket.socket:
    """Bind the port of the page.

    Args:
        wanted: The port; 0 takes :data:`PORT`, or a free one when that is in use.

    Raises:
        ConfigError: The port that was asked for is in use.
    """
    try:
        return health.bind("127.0.0.1", wanted or PORT)
    except ConfigError:
        if wanted:
            raise
        return health.bind("127.0.0.1", 0)


def routes(supervisor: Supervisor, own: str, store: Path) -> list[Route]:
    """Return the page of ``voicebus up``: health, metrics, those of its bus, and the list.

    Args:
        supervisor: Runs the parts.
        own: ``host:port`` of the page.
        store: Folder of the bus's store.
    """
    return [
        *health.routes(supervisor.readiness),
        nats_exporter.route(NATS_PATH, lambda: servers(_running(supervisor)), str(store)),
        route(supervisor, own, "up"),
    ]


def route(supervisor: Supervisor, own: str, name: str) -> Route:
    """Return the list alone, for a page that has the rest already.

    Args:
        supervisor: Runs the parts.
        own: ``host:port`` of the page.
        name: What the process of the page is called.
    """

    async def page(_: Request) -> Response:
        return JSONResponse(targets(_running(supervisor), own, name))

    return Route("/targets", page)


def _running(supervisor: Supervisor) -> list[Part]:
    return [supervisor.part(name) for name in supervisor.readiness()]


def _group(address: str, name: str, **labels: str) -> dict[str, Any]:
    return {"targets": [address], "labels": {"process": name, **labels}}
