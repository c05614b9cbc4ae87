"""Turns tracing on for a process, where it is configured."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog

from voicebus import settings
from voicebus.errors import ConfigError
from voicebus.tracing.settings import SCOPE, TracingSettings
from voicebus.tracing.tracing import OFF, Tracer, Tracing


@asynccontextmanager
async def tracing(instance: str) -> AsyncIterator[Tracer]:
    """Trace while the context lasts, if the environment says where to.

    Args:
        instance: Name of this process.

    Raises:
        ConfigError: Tracing is wanted, and OpenTelemetry is not installed.
    """
    chosen = settings.read(TracingSettings, os.environ, SCOPE)
    if not chosen.endpoint:
        yield OFF
        return
    try:
        from voicebus.tracing.otlp import Collector  # noqa: PLC0415 - not without a reason
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"{settings.variable('endpoint', SCOPE)} is set, and OpenTelemetry is not installed: "
            "pip install 'voicebus[tracing]'"
        ) from err
    part = structlog.contextvars.get_contextvars().get("part", "process")
    collector = Collector(
        chosen.endpoint, f"voicebus-{part}", instance, version("voicebus"), chosen.batch_s
    )
    try:
        yield Tracing(collector.export, chosen.ratio)
    finally:
        await asyncio.to_thread(collector.close)
