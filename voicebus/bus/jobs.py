"""Jobs as they are handed out: a standing pull on one role's consumer, and how jobs are settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from nats.aio.msg import Msg

from subjects.jobs import claim_of
from subjects.streams import consumer_name
from voicebus.bus.client import Bus
from voicebus.bus.delivery import Delivery, parse
from voicebus.bus.pull import StandingPull
from voicebus.errors import BusError, BusUnavailable
from voicebus.tracing.context import HEADER

log: Final = structlog.get_logger()

SETTLE_S: Final = 2.0
"""How long a cluster may take to store what was written under a claim that ends."""

_BEAT: Final = "100"
_EXPIRED: Final = "408"
_NO_LEADER: Final = frozenset({"409", "503"})
"""In a cluster: the server that led the consumer does so no more, and nobody does yet."""


class JobSource:
    """Asks for as many jobs as there are free slots, and has them one by one.

    Args:
        bus: The connection.
        role: Whose jobs.
        free: How many jobs could be held right now, those that wait here included.
    """

    def __init__(self, bus: Bus, role: str, free: Callable[[], int]) -> None:
        self._bus = bus
        self._free = free
        self._arrivals: asyncio.Queue[Delivery] = asyncio.Queue()
        self._requests: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.JOBS.{consumer_name(bus.cell, role)}"
        self._pull = StandingPull(self._request)
        bus.on_reconnect.append(self._on_reconnect)

    async def run(self) -> None:
        """Send requests until cancelled; the server then drops those that are open."""
        async with self._bus.answers("job", self._on_message) as inbox:
            while True:
                number, body = await self._requests.get()
                try:
                    await self._bus.publish_raw(self._subject, body, f"{inbox}.{number}")
                except BusUnavailable:
                    log.warning("pull.unsent")  # asked anew once the connection is back

    def ask(self) -> None:
        """Ask for what is free and not asked for yet."""
        # A request that waits for a connection would be doubled by the one after reconnecting.
        if self._bus.is_connected:
            self._pull.ask(self._free() - self._arrivals.qsize())

    def expire(self) -> None:
        """Forget requests of which the server says nothing any more."""
        self._pull.expire(time.monotonic())

    async def next(self) -> Delivery:
        """Wait for the next job."""
        return await self._arrivals.get()

    async def settle(self, delivery: Delivery, verb: bytes) -> None:
        """Tell the server what became of a job. Without an answer it is handed on after a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                # Who takes the job next reads what was written, and nothing of it afterwards.
                await self._bus.settled(claim_of(delivery.subject))
        try:
            await self._bus.publish_raw(delivery.ack, verb)
        except BusError:
            log.warning("claim.unsettled", verb=verb.decode())

    async def settle_waiting(self, verb: bytes) -> None:
        """Settle all that arrived and was not taken."""
        waiting = [self._arrivals.get_nowait() for _ in range(self._arrivals.qsize())]
        # Side by side: each may wait for a bus that is slow.
        await asyncio.gather(*(self.settle(delivery, verb) for delivery in waiting))

    def _request(self, number: int, body: bytes) -> None:
        self._requests.put_nowait((number, body))

    def _on_message(self, message: Msg) -> None:
        if message.reply:
            self._pull.delivered()
            trace = (message.headers or {}).get(HEADER, "")
            self._arrivals.put_nowait(parse(message.subject, message.data, message.reply, trace))
            return
        number = int(message.subject.rsplit(".", 1)[1])
        status = (message.headers or {}).get("Status", "")
        if status == _BEAT:
            self._pull.beat(number)
            return
        # The request expired or was refused.
        self._pull.closed(number)
        if status == _EXPIRED:
            self.ask()
        elif status not in _NO_LEADER:  # asked anew in a moment
            log.warning("pull.refused", status=status, headers=dict(message.headers or {}))

    def _on_reconnect(self) -> None:
        self._pull.forget()
        self.ask()
