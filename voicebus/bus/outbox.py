"""The way out: what is on it when the connection breaks is sent again over the next one.

Whoever publishes does not wait for an acknowledgement, so at any moment some messages are on their
way; with the server, or the connection to it, they are gone. They are kept until the store has
answered, and sent again in the order in which they were published, before anything newer.

Over a connection that is well, audio is sent again that a stream without a leader did not take.

nats-py 2.16 does not help, and has to be kept from doing something else. What was written to a
socket that broke it forgets. What it had not written yet, and what is published while there is no
connection, it keeps, and writes as soon as there is one: behind its subscriptions, but before it
says that it has connected, and so before anybody could send what was on its way earlier. So no
message of ours is given to it without a connection, and what it has of them is taken from it.
Verbs for JetStream it may keep: whoever settles a job waits for the job's messages first.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from msgspec.structs import replace
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from subjects.catalog import ROOT
from voicebus import metrics
from voicebus.bus.acks import DEADLINE_S, KEPT_BYTES, AckTracker, Message, Settled
from voicebus.bus.envelope import HEARD_BEFORE
from voicebus.errors import BusUnavailable

_OURS: Final = (f"PUB {ROOT}.".encode(), f"HPUB {ROOT}.".encode())
"""How a message on a subject of the catalog begins on the wire. Verbs and questions for JetStream
are not among them: they may go out whenever there is a connection."""


_AT_ONCE: Final = 64
"""How many messages are sent again before others have their turn."""

OTHERS_S: Final = 0.2
"""A server that died has lost everybody, and everybody comes back at about the same time. Whoever
sent again at once would not be heard by those who come a moment later."""


class Outbox:
    """Hands messages to a connection, and once more to the next one.

    Args:
        connection: Where they go.
        inbox: Head of the subjects on which acknowledgements come; :meth:`on_ack` takes them.
        acks: Keeps what is not acknowledged.
    """

    def __init__(self, connection: Connection, inbox: str, acks: AckTracker) -> None:
        self._nats = connection
        self._inbox = inbox
        self._acks = acks
        self._newest_sent = 0
        self._breaks = 0
        self._server = ""
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """Whether what is published goes out at once."""
        return self._is_open and self._nats.is_connected

    async def publish(
        self, message: Message, settled: Settled | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        """Send a message, now or as soon as those before it are on their way.

        Args:
            message: The message.
            settled: Told the outcome, if its stream answers.
            deadline_s: How long an answer is waited for while there is a connection.

        Raises:
            BusUnavailable: The connection is gone, and for good or with much that waits for it.
        """
        if self._nats.is_closed:
            raise BusUnavailable("the connection to the bus was closed")
        if not self.is_open:
            if self._acks.kept_bytes + len(message.payload) > KEPT_BYTES:
                raise BusUnavailable("the bus is not reachable, and too much waits for it")
            self._acks.expect(message, settled, deadline_s)
            return
        if not message.stream:
            await self._send(message, "")
            return
        number = self._acks.expect(message, settled, deadline_s)
        try:
            await self._send_numbered(message, number)
        except BusUnavailable:
            self._acks.forget(number)
            raise

    def on_ack(self, answer: Msg) -> None:
        """Take an acknowledgement."""
        number = answer.subject.rsplit(".", 1)[1]
        if number.isdecimal():
            no_responders = bool(answer.headers) and not answer.data
            self._acks.answer(int(number), answer.data, no_responders)

    def on_disconnect(self) -> None:
        """The connection is gone: keep what is published, and what was on its way."""
        self._is_open = False
        self._breaks += 1
        self._server = str(self._nats._server_info.get("server_id"))
        self._acks.pause()
        left = [command for command in self._nats._pending if not command.startswith(_OURS)]
        self._nats._pending = left
        self._nats._pending_data_size = sum(map(len, left))

    async def on_reconnect(self) -> int:
        """Send what is not acknowledged; the subscriptions are in force by now.

        Returns:
            How many messages had been sent before.
        """
        self._acks.resume()
        breaks, again, newest, before = self._breaks, 0, 0, -1
        if self._is_another_server():
            await asyncio.sleep(OTHERS_S)
        while newest > before:  # what was published meanwhile comes behind
            before = newest
            for newest, message in self._acks.kept(before):
                # The cancellation that goes with another break comes a moment later.
                if self._breaks > breaks or not self._nats.is_connected:
                    return again
                again += newest <= self._newest_sent
                await self._send_kept(newest, message)
        self._is_open = True
        return again

    async def send_overdue(self) -> None:
        """Send once more what no stream has taken, though the connection is well.

        It was heard the first time: those who listened then drop it.
        """
        breaks = self._breaks
        overdue = self._acks.overdue(time.monotonic()) if self.is_open else []
        for count, (number, message) in enumerate(overdue):
            if not count % _AT_ONCE:
                await asyncio.sleep(0)
            if self._breaks > breaks or not self.is_open:
                return  # all that is kept goes over the next connection
            if number in self._acks:
                headers = {**(message.headers or {}), HEARD_BEFORE: "1"}
                await self._send_kept(number, replace(message, headers=headers))

    def _is_another_server(self) -> bool:
        """Whether the server is another one than before, or was started anew."""
        before, self._server = self._server, str(self._nats._server_info.get("server_id"))
        return before != self._server

    async def _send_kept(self, number: int, message: Message) -> None:
        if message.stream and number <= self._newest_sent:
            metrics.BUS_SENT_AGAIN.labels(message.stream).inc()
        try:
            if message.stream:
                await self._send_numbered(message, number)
            else:
                self._acks.forget(number)
                await self._send(message, "")
        except BusUnavailable as error:  # this one: the server takes shorter ones now, for example
            # Later: what its publisher does then must not end the reconnecting.
            asyncio.get_running_loop().call_soon(self._acks.refuse, number, error)

    async def _send_numbered(self, message: Message, number: int) -> None:
        self._newest_sent = max(self._newest_sent, number)
        await self._send(message, f"{self._inbox}.{number}")

    async def _send(self, message: Message, reply: str) -> None:
        try:
            await self._nats.publish(message.subject, message.payload, reply, message.headers)
        except NatsError as err:
            raise BusUnavailable("the bus is not reachable") from err
