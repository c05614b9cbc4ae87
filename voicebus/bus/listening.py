"""Messages as they are published: those of the catalog, each once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from voicebus import metrics
from voicebus.bus.acks import GIVE_UP_S
from voicebus.bus.copies import LIVE_ID, MESSAGE_ID, Heard
from voicebus.bus.envelope import HEARD_BEFORE, opened
from voicebus.bus.inbox import Inbox
from voicebus.tracing.context import HEADER
from voicebus.tracing.tracing import OFF, Tracer


@asynccontextmanager
async def listening(
    connection: Connection, subjects: tuple[str, ...], limit: int, tracing: Tracer = OFF
) -> AsyncIterator[Inbox]:
    """Receive messages on some subjects while the context lasts.

    Args:
        connection: Where they come.
        subjects: Subjects or wildcards.
        limit: How many messages may wait to be read before the oldest are dropped.
        tracing: Told of what comes with a trace.
    """
    inbox = Inbox(limit)
    # Each is ended, though whoever listens is cancelled while the others are begun or ended.
    async with AsyncExitStack() as subscriptions:
        for subject in subjects:
            subscription = await connection.subscribe(subject, cb=_taker(inbox, tracing))
            subscriptions.push_async_callback(_end, connection, subscription)
        subscriptions.callback(inbox.close)
        yield inbox


async def _end(connection: Connection, subscription: Subscription) -> None:
    if not connection.is_closed:
        await subscription.unsubscribe()


def _taker(inbox: Inbox, tracing: Tracer) -> Callable[[Msg], Awaitable[None]]:
    heard = Heard()  # each subscription has a queue of its own, and another order
    late_until_s = time.monotonic() + GIVE_UP_S  # nothing waits longer for the store

    async def take(message: Msg) -> None:
        if message.headers:
            message_id = message.headers.get(MESSAGE_ID) or message.headers.get(LIVE_ID, "")
            if HEARD_BEFORE in message.headers:
                is_new_here = time.monotonic() < late_until_s
                if not (is_new_here and heard.is_late(message_id, message.subject)):
                    return
            elif heard.is_copy(message_id, message.subject):
                metrics.BUS_COPIES.inc()
                return
        event = opened(message.subject, message.data, message.headers)
        if event is not None:
            if message.headers and HEADER in message.headers:
                tracing.heard(message.subject, event, message.headers[HEADER])
            inbox.put(message.subject, event)

    return take
