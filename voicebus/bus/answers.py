"""Raw answers of the server, and how it learns that nobody waits for them any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from voicebus.bus.watchdog import round_trip
from voicebus.errors import BusTimeout

Answer = Callable[[Msg], None]
"""Takes one answer. Must not block."""


@asynccontextmanager
async def answers(connection: Connection, head: str, take: Answer) -> AsyncIterator[str]:
    """Take raw answers while the context lasts.

    Afterwards nobody is interested in them any more, which is how the server learns that what
    was asked is no longer wanted.

    Args:
        connection: Where they come.
        head: Head of the subjects to have them sent to: one token is to follow.
        take: Called with each answer.

    Yields:
        The head.
    """

    async def taken(message: Msg) -> None:
        take(message)

    subscription = await connection.subscribe(f"{head}.*", cb=taken)
    try:
        yield head
    finally:
        if connection.is_connected:
            with suppress(NatsError, BusTimeout):
                # Not nats-py's own drain: it waits by a flush that may end the read loop.
                await connection._send_unsubscribe(subscription._id)
                await round_trip(connection)
                await subscription._pending_queue.join()
        if not connection.is_closed:
            await subscription.unsubscribe()
