"""``voicebus nats-exporter``: what the NATS servers say of themselves, as Prometheus metrics.

It reads the monitoring ports named in VOICEBUS_NATS_EXPORTER_URLS and serves /metrics where
VOICEBUS_METRICS_HOST and VOICEBUS_METRICS_PORT say. ``voicebus up`` needs none: its own page has
the same metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

import structlog
from starlette.applications import Starlette

from voicebus import health, nats_exporter, process, settings, systemd
from voicebus.nats_exporter import SCOPE, NatsExporterSettings
from voicebus.settings import ProcessSettings


def add_parser(subparsers: Any) -> None:
    """Add ``nats-exporter``."""
    parser = subparsers.add_parser(
        "nats-exporter", help="serve the NATS servers' metrics to Prometheus", description=__doc__
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Run ``nats-exporter``."""
    return process.run("nats-exporter", _serve)


async def _serve(stop: asyncio.Event) -> None:
    chosen = settings.read(NatsExporterSettings, os.environ, SCOPE)
    own = settings.read(ProcessSettings, os.environ)
    listener = health.bind(own.metrics_host, own.metrics_port)
    page = nats_exporter.route("/metrics", chosen.servers, chosen.store)

    def readiness() -> dict[str, bool]:
        # Without a server, too: that one is away is what the page says.
        return {"listening": True}

    app = Starlette(routes=[page, *health.routes(readiness)])
    async with health.serve(app, listener), systemd.told(readiness, stop, os.environ):
        structlog.get_logger().info(
            "nats_exporter.ready",
            metrics=f"http://{health.address(listener)}/metrics",
            servers=chosen.servers(),
        )
        await stop.wait()
