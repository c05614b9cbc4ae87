"""Recording in a cluster, where a stream has copies on several servers.

Two things differ from a single server. The store takes one fenced write of a claim at a time and
refuses the next one until that is settled (error 10164). And when the server that leads a stream
dies, nothing is stored for some seconds, and nobody says so.

So the writes of one claim wait for each other here, and one that is not acknowledged is sent
again. (That holds over a connection that is well. :mod:`voicebus.bus.outbox` looks after one that
breaks.) The live hop waits for nothing: what cannot be stored yet is published at once all the
same, in a way that no stream takes. The copy that is stored later is marked: nobody hears it twice.
Only who began to listen in between hears it: the live one came too early, and the log was read
before it was there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from voicebus.bus.acks import GIVE_UP_S, Message, Settled, Stored
from voicebus.bus.copies import LIVE_ID, MESSAGE_ID, MessageIds, told
from voicebus.bus.envelope import HEARD_BEFORE
from voicebus.bus.fence import Fence
from voicebus.errors import BusError, BusTimeout, BusUnavailable, Fenced, WriteInFlight

TRY_S: Final = 2.0
"""How long an acknowledgement is waited for before the message is sent again: many round trips."""

AGAIN_S: Final = 0.05
"""Pause before a message that the store refused for now is sent again."""

MOST: Final = 4096
"""How many messages of one claim may wait. More than a reply has in the time of an election."""

UNRECORDED: Final = {"Nats-Expected-Stream": "none"}
"""Every stream refuses what expects another one; who listens hears it."""

Publish = Callable[[Message, Settled | None, float], Awaitable[None]]
"""Takes a message, who is told the outcome, and for how long an answer is waited for."""


class Write(Struct, eq=False):
    """A message that is to be stored.

    Fields
        message: It, and what goes with it besides the following.
        fence: Refused by the store when no longer true; None: never.
        settled: Told the outcome, once.
        message_id: Tells it from the others; the store takes it once.
        begun_s: When it was published.
        was_heard: Whether those who listen have had it.
    """

    message: Message
    fence: Fence | None
    settled: Settled | None
    message_id: str
    begun_s: float
    was_heard: bool = False


class Recorder:
    """Stores messages in order, one at a time for each claim (or subject, where there is none).

    Args:
        publish: Sends a message, and again if the connection breaks.
        ids: Gives each message its id.
    """

    def __init__(self, publish: Publish, ids: MessageIds) -> None:
        self._publish = publish
        self._ids = ids
        self._lanes: dict[str, deque[Write]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    async def publish(self, message: Message, fence: Fence | None, settled: Settled | None) -> None:
        """Have a message heard now, and stored as soon as those before it are.

        Raises:
            BusUnavailable: The connection is gone and its buffer is full, or the store has been
                silent for so long that too many messages wait.
        """
        now_s = time.monotonic()
        write = Write(message, fence, settled, self._ids.next(), now_s)
        lane = self._lanes.setdefault(_lane(write), deque())
        if len(lane) >= MOST:
            raise BusUnavailable("the bus stores nothing: too many messages wait for it")
        lane.append(write)
        try:
            if len(lane) == 1:
                await self._send(write)
            else:
                write.was_heard = True
                heads = {**UNRECORDED, LIVE_ID: told(write.message_id), **(message.headers or {})}
                heard = Message("", message.subject, message.payload, heads)
                await self._publish(heard, None, TRY_S)
        except BusUnavailable:
            self._drop(write)
            raise

    async def store(self, stream: str, subject: str, payload: bytes, fence: Fence) -> int:
        """Store a claim, before which nothing waits, and return its sequence.

        Raises:
            Fenced: Somebody else wrote meanwhile.
            BusError: The store refuses it, or does not answer for long.
        """
        begun_s = time.monotonic()
        headers = {MESSAGE_ID: self._ids.next(), **fence.headers()}
        while True:
            stored = Stored()
            await self._publish(Message(stream, subject, payload, headers), stored.settled, TRY_S)
            try:
                return await stored.future
            except (WriteInFlight, BusTimeout, BusUnavailable):
                # The owner before us writes at this moment, or there is no leader yet.
                if time.monotonic() - begun_s > GIVE_UP_S:
                    raise
                await asyncio.sleep(AGAIN_S)

    async def _send(self, write: Write) -> None:
        headers = {MESSAGE_ID: write.message_id, **(write.message.headers or {})}
        if write.fence is not None:
            headers |= write.fence.headers()
        if write.was_heard:
            headers[HEARD_BEFORE] = "1"
        write.was_heard = True

        def answered(sequence: int, error: BusError | None) -> None:
            self._answered(write, sequence, error)

        await self._publish(replace(write.message, headers=headers), answered, TRY_S)

    def _answered(self, write: Write, sequence: int, error: BusError | None) -> None:
        late = time.monotonic() - write.begun_s > GIVE_UP_S
        if isinstance(error, WriteInFlight | BusTimeout | BusUnavailable) and not late:
            self._spawn(self._again(write))
            return
        for each in self._refused(write) if isinstance(error, Fenced) else (write,):
            self._drop(each)
            if each.settled is not None:
                each.settled(sequence, error)

    def _refused(self, write: Write) -> list[Write]:
        """Return all that waits under the same claim, the newest first: none of it has an owner.

        Nor is any of it sent. Who began to listen meanwhile would hear it.
        """
        lane = self._lanes.get(_lane(write), ())
        waiting = [each for each in lane if each is not write and each.fence == write.fence]
        return [*reversed(waiting), write] if write.fence is not None else [write]

    async def _again(self, write: Write) -> None:
        await asyncio.sleep(AGAIN_S)
        try:
            await self._send(write)
        except BusUnavailable as error:
            self._answered(write, 0, error)

    def _drop(self, write: Write) -> None:
        """Take a write out of its lane, and send the next one when it was its turn."""
        key = _lane(write)
        lane = self._lanes.get(key)
        if lane is None or write not in lane:
            return
        was_first = lane[0] is write
        lane.remove(write)
        if not lane:
            del self._lanes[key]
        elif was_first:
            self._spawn(self._next(lane[0]))

    async def _next(self, write: Write) -> None:
        try:
            await self._send(write)
        except BusUnavailable as error:
            self._answered(write, 0, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _lane(write: Write) -> str:
    return write.message.subject if write.fence is None else write.fence.subject
