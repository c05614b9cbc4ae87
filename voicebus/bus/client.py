"""The bus client: messages of the catalog in and out, over one nats-py connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from schemas.audio import AudioChunk
from schemas.claim import Claimed, ClaimLeft
from schemas.codec import encode
from schemas.event import Event
from subjects.catalog import CATALOG, Place, subject_of
from subjects.streams import stream_of
from voicebus import metrics
from voicebus.bus.acks import ENDING_S, AckTracker, Message, Settled, Stored
from voicebus.bus.answers import Answer, answers, taking
from voicebus.bus.connection import Connection, close, establish
from voicebus.bus.fence import Fence
from voicebus.bus.identity import identify
from voicebus.bus.inbox import Inbox
from voicebus.bus.listening import listening
from voicebus.bus.outbox import Outbox
from voicebus.bus.questions import Questions
from voicebus.bus.reader import BATCH, LogReader
from voicebus.bus.recent import Recent
from voicebus.bus.replay import Recorded
from voicebus.bus.storing import Storing
from voicebus.bus.watchdog import round_trip, watch
from voicebus.errors import BusUnavailable
from voicebus.settings import BusSettings
from voicebus.tracing.tracing import OFF, Tracer

log: Final = structlog.get_logger()

__all__ = ["Bus", "Fence", "connect"]

_UNNAMED: Final = frozenset({AudioChunk})
"""Kinds without an id: whoever listens would have to read a head for each frame of each caller. A
copy of them may be stored; their offsets tell."""


class Bus:
    """One connection. Made by :func:`connect`; every method belongs to its event loop."""

    def __init__(self, connection: Connection, inbox: str, settings: BusSettings) -> None:
        self.cell = settings.cell
        self.tracing: Tracer = OFF
        self._streams = {kind: stream_of(kind, settings.record) for kind in CATALOG}
        self.recent = Recent(self.publish_raw)
        self._nats = connection
        self._inbox = inbox
        # In a cluster another server takes what the one that ends does not, and it is sent again.
        self._acks = AckTracker(ENDING_S if settings.replicas == 1 else 0.0)
        self._outbox = Outbox(connection, f"{inbox}.ack", self._acks)
        self._questions = Questions(connection, f"{inbox}.ask")
        self._log = LogReader(connection, f"{inbox}.get", self._questions, self._found)
        self._storing = Storing(self._outbox.publish, self._log.last, settings.replicas)
        self._answers: dict[str, Answer] = {
            "ack": self._outbox.on_ack,
            "ask": self._questions.on_answer,
            "get": self._log.on_answer,
        }
        self.on_disconnect: list[Callable[[], None]] = []
        self.on_reconnect: list[Callable[[], None]] = []

    @property
    def is_connected(self) -> bool:
        """Whether a server is reachable right now."""
        return self._nats.is_connected

    def records(self, kind: type[Event]) -> bool:
        """Whether messages of a kind are recorded."""
        return bool(self._streams[kind])

    def answers(self, kind: str, take: Answer) -> AbstractAsyncContextManager[str]:
        """Take raw answers of a kind while the context lasts; yields the head of their subjects.

        See :func:`voicebus.bus.answers.answers`. ``kind`` is a token of its own.
        """
        return answers(self._nats, f"{self._inbox}.{kind}.to", take)

    async def publish(
        self,
        event: Event,
        place: Place,
        fence: Fence | None = None,
        settled: Settled | None = None,
        *,
        job: str = "",
        role: str = "*",
    ) -> None:
        """Publish a message on its subject. Returns when it is handed to the connection.

        What is recorded is kept until it is stored or refused: when the connection breaks it is
        sent again over the next one. What is not recorded is dropped without one.

        Args:
            event: The message; its type gives subject and stream.
            place: Whose it is.
            fence: For durable writes of a worker: refused by the store when no longer true.
            settled: Told the outcome, when the message is of a recorded kind.
            job: The job's name, for jobs and dead letters.
            role: Whose job it was, for dead letters.

        Raises:
            BusUnavailable: The connection is gone, and too much waits for the next one.
        """
        kind, subject = type(event), subject_of(type(event), place, role, job)
        head = self.tracing.head(place.session, event)
        message = Message(self._streams[kind], subject, encode(event), head)
        if not CATALOG[kind].stream:
            await self._announce(message)
        elif not message.stream or kind in _UNNAMED:
            await self._outbox.publish(message, settled)
        else:
            self.recent.add(kind, place.edge, subject, message.payload)
            fence = fence if CATALOG[kind].fenced else None
            await self._storing.publish(message, fence, settled)
        self.tracing.said(place.session, event)

    async def publish_raw(
        self, subject: str, payload: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publish bytes, such as JetStream's own verbs; raises what :meth:`publish` raises."""
        try:
            await self._nats.publish(subject, payload, reply, headers)
        except NatsError as err:
            raise BusUnavailable("the bus is not reachable") from err

    async def store(
        self,
        event: Event,
        place: Place,
        fence: Fence | None = None,
        *,
        job: str = "",
        role: str = "*",
    ) -> int:
        """Publish a recorded message and wait until it is stored; return its stream sequence.

        Raises:
            BusError: The store refused it or did not answer.
        """
        stored = Stored()
        await self.publish(event, place, fence, stored.settled, job=job, role=role)
        return await stored.future

    async def claim(self, event: Claimed | ClaimLeft, place: Place, job: str, last: int) -> Fence:
        """Write a claim, or its end, if the subject's sequence is still ``last`` (0: none).

        Raises:
            Fenced: Somebody else wrote one meanwhile.
            BusError: The store refused it or did not answer.
        """
        subject = subject_of(Claimed, place, event.role, job)
        self.recent.add(Claimed, place.edge, subject, encode(event))
        return Fence(subject, await self.keep(event, subject, last))

    async def keep(self, event: Event, subject: str, last: int) -> int:
        """Write a message if the subject's sequence is still ``last``; return the new one.

        Raises:
            Fenced: Somebody else wrote one meanwhile.
            BusError: The store refused it or did not answer.
        """
        message = Message(CATALOG[type(event)].stream, subject, encode(event))
        return await self._storing.keep(message, last)

    def listen(self, *subjects: str, limit: int = 4096) -> AbstractAsyncContextManager[Inbox]:
        """Receive messages on some subjects, in the order in which each publisher sent them.

        A message that was sent again is heard once. That does not hold for callers' audio, whose
        offsets tell.

        Args:
            subjects: Subjects or wildcards.
            limit: How many messages may wait to be read before the oldest are dropped.
        """
        return listening(self._nats, subjects, limit, self.tracing)

    async def settled(self, claim: str) -> None:
        """Wait until the store has all that was written under a claim, or has refused it.

        ``claim`` is the claim's subject.
        """
        await self._storing.settled(claim)

    async def flush(self) -> None:
        """Wait until the server has seen all that was sent: subscriptions are then in force.

        Raises:
            BusTimeout: It did not answer.
        """
        await round_trip(self._nats)

    async def announce(self, subject: str, payload: bytes) -> None:
        """Publish bytes that are of no use later: without a connection they are dropped."""
        await self._announce(Message("", subject, payload))

    async def request(self, subject: str, payload: bytes) -> bytes:
        """Ask one question of the server's API.

        Raises:
            BusError: Nobody answers, or not in time.
        """
        return (await self._questions.ask(subject, payload)).data

    def read(
        self, stream: str, subject: str, *, sequence: int = 1, since_ns: int = 0, batch: int = BATCH
    ) -> AsyncIterator[Recorded]:
        """Read what a stream holds: :meth:`voicebus.bus.reader.LogReader.read`."""
        return self._log.read(stream, subject, sequence=sequence, since_ns=since_ns, batch=batch)

    def read_raw(self, stream: str, subject: str) -> AsyncIterator[Recorded]:
        """Read all that a stream holds on a subject, be it a message or not."""
        return self._log.read_raw(stream, subject)

    async def first(self, stream: str, subject: str, since_ns: int) -> Recorded | None:
        """Return the oldest message on a subject that was stored since a time, or None."""
        return await self._log.first(stream, subject, since_ns)

    async def last(self, stream: str, subject: str) -> Recorded | None:
        """Return the newest message on a subject, or None."""
        return await self._log.last(stream, subject)

    async def watch(self) -> None:
        """Watch over acknowledgements and connection: see :func:`voicebus.bus.watchdog.watch`."""
        await watch(self._nats, self._acks, self._outbox.send_overdue)

    async def close(self) -> None:
        """Send what is waiting, then close."""
        if self._nats.is_closed:
            return
        try:
            await self._nats.flush(1)
        except (NatsError, TimeoutError):
            log.warning("bus.closed_unflushed")
        await close(self._nats)

    async def _announce(self, message: Message) -> None:
        try:
            if self.is_connected:
                await self._outbox.publish(message)
                return
        except BusUnavailable:
            log.warning("bus.dropped", subject=message.subject)
        metrics.BUS_UNSENT.inc()

    def _found(self, message: Recorded, event: Event) -> None:
        if message.trace:
            self.tracing.heard(message.subject, event, message.trace, message.stored_ns)

    async def _start(self) -> None:
        await taking(self._nats, f"{self._inbox}.*.*", self._dispatch)

    def _dispatch(self, message: Msg) -> None:
        answer = self._answers.get(message.subject.rsplit(".", 2)[1])
        if answer is not None:
            answer(message)


async def connect(settings: BusSettings, name: str) -> Bus:
    """Connect, waiting for a server for as long as it takes.

    Args:
        settings: Where the bus is.
        name: Name of the process, shown in the server's monitoring.

    Raises:
        ConfigError: The seed or a certificate cannot be used.
    """
    connection, identity = Connection(), identify(settings)
    bus = Bus(connection, identity.inbox, settings)

    outbox = bus._outbox  # its factory

    connected = metrics.BUS_CONNECTED.labels(bus.cell)

    def disconnected() -> None:
        connected.set(0)
        for notify in (outbox.on_disconnect, *bus.on_disconnect):
            notify()

    async def reconnected() -> int:
        connected.set(1)
        sent_again = await outbox.on_reconnect()
        for notify in bus.on_reconnect:
            notify()
        return sent_again

    connected.set(0)
    await establish(connection, settings, name, identity, disconnected, reconnected)
    connected.set(1)
    await bus._start()
    return bus
