"""Creating the streams and consumers of subjects/, idempotently: whoever may, may be the first."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec

from subjects.streams import (
    ACK_WAIT_S,
    MAX_HANDOVERS,
    ROLES,
    Limits,
    Stream,
    consumer_name,
    job_filter,
    streams,
)
from voicebus.bus.acks import GIVE_UP_S, ApiError, error_of
from voicebus.bus.client import Bus, connect
from voicebus.errors import BusError, BusTimeout
from voicebus.settings import BusSettings

_TRIES = 8
_PAUSE_S = 0.15

_DUPLICATES_S = 2 * GIVE_UP_S
"""For so long a stream knows the ids of what it stored, also over a restart. By then nobody sends a
message again; the server keeps them in memory."""


class _Answer(msgspec.Struct):
    error: ApiError | None = None
    config: dict[str, Any] = {}


async def ensure_layout(bus: Bus, limits: Limits) -> None:
    """Create or update every stream and every role's consumer.

    Raises:
        BusError: The server refuses, for example because its limits are too small.
    """
    for stream in streams(limits):
        await _ensure_stream(bus, stream)
    for role in ROLES:
        await _ensure_consumer(bus, role)


async def make_layout(settings: BusSettings) -> None:
    """Connect, create or update everything, and leave.

    Raises:
        BusError: The server refuses.
        ConfigError: The seed or a certificate cannot be used.
    """
    bus = await connect(settings, "layout")
    try:
        await ensure_layout(bus, settings.limits())
    finally:
        await bus.close()


async def _ensure_stream(bus: Bus, stream: Stream) -> None:
    """Make the stream as it should be.

    Processes that start together do this at the same time. The server then counts a stream's size
    twice for a moment and refuses for lack of room, so a refusal is final only when it lasts.
    """
    config = _stream_config(stream)
    refusal: BusError = BusTimeout(f"stream {stream.name}: the bus does not answer")
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_PAUSE_S * attempt * random.uniform(0.5, 1.5))
        try:
            present = await _call(bus, f"STREAM.INFO.{stream.name}", {})
            if present.error is None and config.items() <= present.config.items():
                return
            verb = "CREATE" if present.error is not None else "UPDATE"
            answer = await _call(bus, f"STREAM.{verb}.{stream.name}", config)
        except BusTimeout as err:  # a server that has just started may not have JetStream yet
            refusal = err
            continue
        if answer.error is None:
            return
        refusal = BusError(f"stream {stream.name}: {answer.error.description}")
    raise refusal


async def _ensure_consumer(bus: Bus, role: str) -> None:
    name = consumer_name(bus.cell, role)
    filter_subject = job_filter(bus.cell, role)
    body = {
        "stream_name": "JOBS",
        "config": {
            "durable_name": name,
            "filter_subject": filter_subject,
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT_S * 1_000_000_000,
            "max_deliver": MAX_HANDOVERS,
            "max_ack_pending": 100_000,
            "max_waiting": 8192,
        },
    }
    answer = await _call(bus, f"CONSUMER.CREATE.JOBS.{name}.{filter_subject}", body)
    if answer.error is not None:
        raise BusError(f"consumer {name}: {answer.error.description}") from error_of(answer.error)


def _stream_config(stream: Stream) -> dict[str, Any]:
    placement = {"placement": {"tags": [stream.tag]}} if stream.tag else {}
    bucket = {"allow_rollup_hdrs": True} if stream.is_bucket else {}
    return (
        placement
        | bucket
        | {
            "name": stream.name,
            "subjects": list(stream.subjects),
            "retention": stream.retention,
            "discard": stream.discard,
            "max_age": stream.max_age_s * 1_000_000_000,
            "max_bytes": stream.max_bytes,
            "max_msgs_per_subject": stream.per_subject,
            "num_replicas": stream.replicas,
            "storage": "file",
            "allow_direct": True,
            "deny_delete": stream.deny_delete,
            "duplicate_window": int(min(_DUPLICATES_S, stream.max_age_s) * 1_000_000_000),
        }
    )


async def _call(bus: Bus, verb: str, body: dict[str, Any]) -> _Answer:
    payload = await bus.request(f"$JS.API.{verb}", msgspec.json.encode(body))
    return msgspec.json.decode(payload, type=_Answer)
