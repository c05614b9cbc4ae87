"""Notices a connection that died without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from nats.aio.client import Client as Connection
from nats.errors import Error as NatsError
from nats.errors import StaleConnectionError

from voicebus import metrics
from voicebus.bus.acks import AckTracker
from voicebus.bus.questions import REQUEST_TIMEOUT_S
from voicebus.errors import BusTimeout, BusUnavailable

log: Final = structlog.get_logger()

EVERY_S: Final = 2.0
TICK_S: Final = 0.5
SILENT_TICKS: Final = 12
"""A connection on which nothing arrived for so many ticks after a question is given up. Ticks of
our own loop, and not seconds: what arrived while the whole process was stopped is read first."""
LONGEST_TICKS: Final = 60
"""Nor may the answer itself take longer, whatever else arrives."""

_NO_ANSWER: Final = "the bus does not answer"


async def round_trip(connection: Connection) -> None:
    """Wait until the server has seen all that was sent.

    Raises:
        BusTimeout: It did not answer.
    """
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            await _answer(connection)
    except TimeoutError as err:
        raise BusTimeout(_NO_ANSWER) from err


async def watch(
    connection: Connection, acks: AckTracker, send_overdue: Callable[[], Awaitable[None]]
) -> None:
    """Keep time for the acknowledgements, and make sure that somebody answers.

    nats-py's read loop can end on an unexpected error while the client still calls itself
    connected; only a round trip tells. A connection without an answer is made anew. Runs until
    cancelled.

    Raises:
        BusUnavailable: The connection was closed; the process should end.
    """
    while True:
        await asyncio.sleep(EVERY_S)
        acks.expire(time.monotonic())
        await send_overdue()
        if connection.is_closed:
            raise BusUnavailable("the connection to the bus was closed")
        if connection.is_connected and not await _is_alive(connection, acks):
            log.warning("bus.silent")
            await connection._process_op_err(StaleConnectionError())


async def _is_alive(connection: Connection, acks: AckTracker) -> bool:
    """Whether somebody is at the other end; true, too, when it has become another end meanwhile.

    Acknowledgements go on to expire: an answer may take long.
    """
    asked_s, stats = time.monotonic(), connection.stats
    reconnects, received, silent = stats["reconnects"], stats["in_msgs"], 0
    asking = asyncio.create_task(_answer(connection))
    try:
        for _ in range(LONGEST_TICKS):
            await asyncio.wait((asking,), timeout=TICK_S)
            acks.expire(time.monotonic())
            error = asking.exception() if asking.done() else None
            if error is not None and not isinstance(error, BusTimeout):
                raise error
            if not connection.is_connected or stats["reconnects"] != reconnects:
                return True
            if asking.done() and error is None:
                rtt_s = time.monotonic() - asked_s
                metrics.BUS_RTT_SECONDS.set(rtt_s)
                metrics.BUS_HOP_SECONDS.observe(rtt_s)
                return True
            silent = silent + 1 if stats["in_msgs"] == received else 0
            received = stats["in_msgs"]
            if error is not None or silent >= SILENT_TICKS:
                return False
        return False
    finally:
        asking.cancel()


async def _answer(connection: Connection) -> None:
    """Ask, and wait for the answer: the server has then seen all that was sent before.

    Raises:
        BusTimeout: There is nobody to ask.
    """
    if connection.is_closed:
        raise BusTimeout(_NO_ANSWER)
    # Not nats-py's own flush: a PONG that comes after its deadline or its cancellation finds a
    # cancelled future, which ends the read loop; and its PING overtakes what is still buffered.
    pong: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    try:
        await connection._flush_pending(force_flush=True)
        await connection._send_ping(pong)
        await asyncio.shield(pong)
    except (NatsError, OSError, RuntimeError) as err:
        # RuntimeError: uvloop's, when the connection broke and nobody has noticed yet.
        raise BusTimeout(_NO_ANSWER) from err
