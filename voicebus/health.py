"""Health and metrics of a process: /livez, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from voicebus import metrics
from voicebus.errors import ConfigError

Readiness = Callable[[], dict[str, bool]]
"""Names what must be true before work is taken, and whether it is."""


def routes(readiness: Readiness) -> list[Route]:
    """Return the three routes, to be served alone or beside an edge's own.

    /livez is 200 while the event loop turns; /readyz is 503 and names what is missing until all of
    ``readiness`` holds; /metrics is Prometheus' text format, or OpenMetrics with exemplars for who
    accepts it.
    """

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        conditions = readiness()
        return JSONResponse(conditions, 200 if all(conditions.values()) else 503)

    async def page(request: Request) -> Response:
        metrics.TASKS.set(len(asyncio.all_tasks()))
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"content-type": kind})

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", page)]


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves signals to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes a free one.

    Raises:
        ConfigError: The port is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio knows it for TCP and sends without delay.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as err:
        listener.close()
        reason = err.strerror or str(err)
        raise ConfigError(
            f"cannot listen on {host}:{port}: {reason}. Choose another port."
        ) from err
    listener.listen(1024)
    listener.setblocking(False)  # noqa: FBT003 - positional only
    return listener


def address(listener: socket.socket) -> str:
    """Return ``host:port`` of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def serve(app: Starlette, listener: socket.socket, **options: object) -> AsyncIterator[None]:
    """Serve an application on a bound socket while the context lasts.

    Args:
        app: The application.
        listener: Made by :func:`bind`.
        options: Further settings of ``uvicorn.Config``.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        **options,  # type: ignore[arg-type]
    )
    server = QuietServer(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.should_exit = True
