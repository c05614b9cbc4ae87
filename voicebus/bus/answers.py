"""Raw answers of the server, and how it learns that nobody waits for them any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from voicebus.bus.watchdog import round_trip
from voicebus.errors import BusTimeout

log: Final = structlog.get_logger()

Answer = Callable[[Msg], None]
"""Takes one answer. Must not block."""


class Straight(asyncio.Queue[Msg]):
    """Stands where nats-py has a queue, and hands on at once what is put into it.

    A busy edge has an acknowledgement for each piece of audio: a queue, with a task behind it,
    would cost as much as taking it does.

    Args:
        take: Called with each message.
    """

    def __init__(self, take: Answer) -> None:
        super().__init__()
        self._take = take

    def put_nowait(self, item: Msg) -> None:
        """Hand it on. What goes wrong there must not end the reading from the socket."""
        try:
            self._take(item)
        except Exception:
            log.exception("bus.answer_failed")


async def taking(connection: Connection, subject: str, take: Answer) -> Subscription:
    """Have raw answers taken as they are read from the socket.

    Args:
        connection: Where they come.
        subject: Their subject; wildcards are allowed.
        take: Called with each answer.
    """

    async def nothing(_: Msg) -> None:
        return

    # Nothing waits, so nothing is to be counted as waiting.
    subscription = await connection.subscribe(subject, cb=nothing, pending_bytes_limit=0)
    subscription._pending_queue = Straight(take)
    return subscription


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
    subscription = await taking(connection, f"{head}.*", take)
    try:
        yield head
    finally:
        try:
            if connection.is_connected:
                with suppress(NatsError, BusTimeout):
                    # Not nats-py's own drain: it waits by a flush that may end the read loop.
                    await connection._send_unsubscribe(subscription._id)
                    await round_trip(connection)
                    await subscription._pending_queue.join()
        finally:
            if not connection.is_closed:
                await subscription.unsubscribe()
