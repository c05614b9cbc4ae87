"""How a process connects: for as long as it takes, and again whenever the connection breaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from voicebus import metrics
from voicebus.bus.identity import Identity, tls_of
from voicebus.settings import BusSettings

log: Final = structlog.get_logger()

_PENDING_BYTES: Final = 16 << 20
"""What may wait to be written before whoever publishes has to wait, too; and, while there is no
server, of verbs and questions. Messages wait in :mod:`voicebus.bus.outbox`."""

_REFUSAL: Final = "permissions violation"
_QUIET_S: Final = 10.0
"""The same kind of error is logged at most this often."""


class Connection(Client):
    """nats-py's connection, except that whoever waits for it to write can be cancelled.

    nats-py 2.16 takes a cancellation that comes in there for an answer, and its caller goes on: a
    worker whose job is taken from it would keep it.
    """

    async def _flush_pending(self, force_flush: bool = False) -> Any:  # noqa: FBT001, FBT002 - nats-py's
        task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        flushed = await super()._flush_pending(force_flush)
        if task is not None and task.cancelling() > cancelled:
            raise asyncio.CancelledError
        return flushed

    async def _send_subscribe(self, sub: Subscription) -> None:
        try:
            await super()._send_subscribe(sub)
        except asyncio.CancelledError:
            if not self.is_closed:
                await sub.unsubscribe()  # nobody gets it, so nobody else would end it
            raise


async def establish(
    connection: Connection,
    settings: BusSettings,
    name: str,
    identity: Identity,
    on_disconnect: Callable[[], None] | None = None,
    on_reconnect: Callable[[], Awaitable[int]] | None = None,
) -> None:
    """Connect, waiting for a server for as long as it takes.

    Args:
        connection: Not connected yet.
        settings: Where the bus is.
        name: Name of the process, shown in the server's monitoring.
        identity: Who this process is.
        on_disconnect: Called when the connection broke, before it is made anew.
        on_reconnect: Called each time that it was made anew and the subscriptions are in force;
            returns how many messages it sent again.

    Raises:
        ConfigError: A certificate cannot be used.
    """

    async def failed(error: Exception) -> None:
        log.warning("bus.error", error=f"{type(error).__name__}: {error}"[:300])

    report = _rarely(failed)

    async def counted(error: Exception) -> None:
        # The one sign of it: what was asked is not answered, or what was published not heard.
        if _REFUSAL in str(error):
            metrics.BUS_REFUSED.inc()
        await report(error)

    async def reconnected() -> None:
        metrics.BUS_RECONNECTS.inc()
        sent_again = 0 if on_reconnect is None else await on_reconnect()
        log.info("bus.reconnected", sent_again=sent_again)

    async def disconnected() -> None:
        if not connection.is_closed:
            log.warning("bus.disconnected")
            if on_disconnect is not None:
                on_disconnect()

    if identity.key is not None:
        # What nats-py does with a seed itself, by a package that comes as source only.
        connection._public_nkey = identity.key.public
    tls = tls_of(settings)
    await connection.connect(
        servers=settings.nats_url.split(","),
        name=name,
        user=settings.nats_user or None,
        password=settings.nats_password or None,
        signature_cb=None if identity.key is None else identity.key.sign,
        tls=tls,
        # Or who is in between could say that the server does not encrypt, and be believed.
        tls_handshake_first=tls is not None,
        error_cb=counted,
        reconnected_cb=reconnected,
        disconnected_cb=disconnected,
        connect_timeout=2,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds, any number
        max_reconnect_attempts=-1,
        ping_interval=5,
        max_outstanding_pings=2,
        inbox_prefix=identity.inbox,
        pending_size=_PENDING_BYTES,
    )


async def close(connection: Connection) -> None:
    """Close a connection, whatever state it is in."""
    # In a task of its own: one that was about to connect anew cancels whoever closes it.
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait((closing,))
    if closing.cancelled():
        return
    error = closing.exception()
    # What breaks while it is closed is closed. uvloop says it in its own way.
    if error is not None and not isinstance(error, RuntimeError | ConnectionError):
        raise error


Report = Callable[[Exception], Awaitable[None]]


def _rarely(report: Report) -> Report:
    last: dict[str, float] = {}

    async def reported(error: Exception) -> None:
        kind, now_s = type(error).__name__, time.monotonic()
        if now_s - last.get(kind, -_QUIET_S) >= _QUIET_S:
            last[kind] = now_s
            await report(error)

    return reported
