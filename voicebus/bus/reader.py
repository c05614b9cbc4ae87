"""Reads what the streams hold, over the same connection as everything else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeAlias

from msgspec.structs import replace
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from schemas.event import Event
from voicebus import metrics
from voicebus.bus import replay
from voicebus.bus.envelope import opened
from voicebus.bus.questions import REQUEST_TIMEOUT_S, Questions
from voicebus.bus.replay import Batch, BatchRequest, Recorded
from voicebus.errors import BusTimeout, BusUnavailable

BATCH: Final = 1000

Found: TypeAlias = Callable[[Recorded, Event], None]


class LogReader:
    """Asks the streams directly, without a consumer.

    Args:
        connection: Where to ask.
        inbox: Head of the subjects on which answers come; :meth:`on_answer` takes them.
        questions: Asks what has one answer.
        found: Told of each message that is read.
    """

    def __init__(
        self, connection: Connection, inbox: str, questions: Questions, found: Found
    ) -> None:
        self._found = found
        self._nats = connection
        self._inbox = inbox
        self._questions = questions
        self._batches: dict[int, Batch] = {}
        self._next = 0

    async def read(
        self,
        stream: str,
        subject: str,
        *,
        sequence: int = 1,
        since_ns: int = 0,
        batch: int = BATCH,
    ) -> AsyncIterator[Recorded]:
        """Read the messages that a stream holds on a subject (wildcards allowed), oldest first.

        What is no message is left out.

        Args:
            stream: The stream's name.
            subject: Its subject.
            sequence: Stream sequence to begin with.
            since_ns: Begin with what was stored at or after this time instead.
            batch: How many messages are asked for at once: all of them are held.

        Raises:
            BusError: The stream does not exist or does not answer.
        """
        start = replay.format_time(since_ns) if since_ns else ""
        asked = BatchRequest(
            batch=batch, next_by_subj=subject, seq=0 if start else sequence, start_time=start
        )
        async for recorded in self._all(stream, asked):
            event = opened(recorded.subject, recorded.payload)
            if event is not None:
                self._found(recorded, event)
                yield recorded

    def read_raw(self, stream: str, subject: str) -> AsyncIterator[Recorded]:
        """Read all that a stream holds on a subject, be it a message or not.

        Raises:
            BusError: The stream does not exist or does not answer.
        """
        return self._all(stream, BatchRequest(batch=BATCH, next_by_subj=subject, seq=1))

    async def _all(self, stream: str, asked: BatchRequest) -> AsyncIterator[Recorded]:
        while True:
            begun_s = time.perf_counter()
            found = await self._batch(stream, asked)
            metrics.REPLAY_SECONDS.labels(stream).observe(time.perf_counter() - begun_s)
            metrics.REPLAYED.labels(stream).inc(len(found.messages))
            for message in found.messages:
                yield message
            if not found.pending or not found.messages:
                return
            asked = replace(asked, seq=found.messages[-1].sequence + 1, start_time="")

    async def first(self, stream: str, subject: str, since_ns: int) -> Recorded | None:
        """Return the oldest message on a subject that was stored since a time, or None.

        Raises:
            BusError: The stream does not exist or does not answer.
        """
        start = replay.format_time(since_ns)
        wanted = BatchRequest(batch=1, next_by_subj=subject, start_time=start)
        batch = await self._batch(stream, wanted)
        return batch.messages[0] if batch.messages else None

    async def last(self, stream: str, subject: str) -> Recorded | None:
        """Return the newest message on a subject, or None.

        A subject without wildcards stands in the address of the question, so that permissions can
        say whose newest message may be read. With wildcards it has to be in the body, which needs
        the permission to read the whole stream.

        Raises:
            BusError: The stream does not exist or does not answer.
        """
        address, body = f"$JS.API.DIRECT.GET.{stream}", b""
        if {"*", ">"}.isdisjoint(subject.split(".")):
            address = f"{address}.{subject}"
        else:
            body = b'{"last_by_subj":"' + subject.encode() + b'"}'
        message = await self._questions.ask(address, body)
        return replay.newest(message.headers or {}, message.data)

    def on_answer(self, message: Msg) -> None:
        """Take one answer of a batch."""
        number = message.subject.rsplit(".", 1)[1]
        batch = self._batches.get(int(number)) if number.isdecimal() else None
        if batch is not None:
            batch.take(message.headers or {}, message.data)

    async def _batch(self, stream: str, request: BatchRequest) -> Batch:
        self._next += 1
        number, batch = self._next, Batch()
        self._batches[number] = batch
        try:
            await self._nats.publish(
                f"$JS.API.DIRECT.GET.{stream}", replay.encode(request), f"{self._inbox}.{number}"
            )
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await batch.done
        except NatsError as err:
            raise BusUnavailable("the bus is not reachable") from err
        except TimeoutError as err:
            raise BusTimeout("the log cannot be read: the bus does not answer") from err
        finally:
            del self._batches[number]
        return batch
