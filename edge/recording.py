"""A file's way through the fleet: its audio onto the bus, what was said in it back, in order.

The audio is stored before a worker is asked for it, and no further ahead than it is of use: of an
hour, this process holds half a minute, and the stream some two minutes that nobody has read yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import structlog

from edge.clock import now_s
from edge.errand import Patience
from edge.passages import Passages
from edge.visit import Visit
from schemas.audio import CALLER_RATE_HZ, AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.failure import Failure
from schemas.stt import PassageRecognised, RecogniseRequest
from voicebus.errors import BusError, BusUnavailable, Busy, EngineTimeout, ProtocolError
from voicebus.sessions.session import Session
from voicebus.sessions.stage_failed import StageFailed

log: Final = structlog.get_logger()

_BYTES_PER_S: Final = 2 * CALLER_RATE_HZ

CHUNK_BYTES: Final = 4 * _BYTES_PER_S
"""Four seconds, most sentences: live audio comes in small chunks because somebody waits for it, and
here each message, and its acknowledgement, is what takes the time."""

SENT_AHEAD: Final = 2
"""So many chunks may be on their way to the store: waiting for each by itself would add up."""

_LOOK_S: Final = 1.0
_STORE_TRIES: Final = 4
_BUSY_RETRY_S: Final = 10.0


class Recording:
    """One file of a caller.

    Args:
        session: Its session, of which nobody else reads the inbox.
        visit: The caller.
        passages: What becomes of it.
        patience: How long it waits for the first worker, and for signs of life after it.
    """

    def __init__(
        self, session: Session, visit: Visit, passages: Passages, patience: Patience
    ) -> None:
        self._session = session
        self._visit = visit
        self._passages = passages
        self._patience = patience
        self._room = asyncio.Event()
        self._sending: deque[tuple[int, asyncio.Task[int]]] = deque()
        self._sent = 0
        self._is_claimed = False
        self._asked_s: float | None = None
        self._again: set[int] = set()  # numbers of passages; 0 for all
        self._again_s = 0.0
        self._failure: Failure | None = None

    @property
    def seconds(self) -> float:
        """How much audio there was so far."""
        return self._passages.stored / CALLER_RATE_HZ

    async def results(
        self, pcm: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[PassageRecognised, None]:
        """Yield what was said, passage by passage.

        Args:
            pcm: The file's audio: s16le mono at 16 kHz, whole samples.

        Raises:
            ProtocolError: ``not_recorded``: no audio is recorded here.
            AudioError: What ``pcm`` raises.
            StageFailed: A worker could not do its work.
            Busy: No worker took it in time.
            EngineTimeout: One did, and says nothing any more.
            BusError: The audio was not stored, or the edge is shutting down.
        """
        bus = self._session.bus
        if not bus.records(AudioChunk):
            raise ProtocolError("no audio is recorded here, so no file can be", "not_recorded")
        bus.on_reconnect.append(self._reconnected)
        storing = asyncio.create_task(self._store(pcm))
        arriving = asyncio.ensure_future(self._session.inbox.next())
        heard_s = now_s()
        try:
            while not self._passages.is_complete:
                waited = [arriving] if storing.done() else [arriving, storing]
                await asyncio.wait(waited, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                if storing.done():
                    storing.result()
                await self._look(heard_s)
                if not arriving.done():
                    continue
                event, heard_s = _said(arriving), now_s()
                arriving = asyncio.ensure_future(self._session.inbox.next())
                for result in self._take(event):
                    yield result
                await self._ask()
        finally:
            bus.on_reconnect.remove(self._reconnected)
            for task in (storing, arriving):
                task.cancel()
            await asyncio.wait((storing, arriving))

    async def _store(self, pcm: AsyncGenerator[bytes, None]) -> None:
        held = bytearray()
        try:
            async with aclosing(pcm) as pieces:
                async for piece in pieces:
                    held += piece
                    while len(held) >= CHUNK_BYTES:
                        await self._put(bytes(held[:CHUNK_BYTES]))
                        del held[:CHUNK_BYTES]
            if held:
                await self._put(bytes(held))
            await self._settle(0)
        finally:
            for _, storing in self._sending:
                storing.cancel()
            await asyncio.gather(*(task for _, task in self._sending), return_exceptions=True)
        self._passages.end()
        await self._ask()

    async def _put(self, chunk: bytes) -> None:
        """Send a chunk to the store, which may answer later."""
        end = self._sent + len(chunk) // 2
        while end > self._passages.wanted:
            await self._settle(0)
            self._room.clear()
            if end > self._passages.wanted:
                await self._room.wait()
        storing = asyncio.create_task(self._stored(AudioChunk(pcm=chunk, offset=self._sent)))
        self._sending.append((len(chunk) // 2, storing))
        self._sent = end
        self._visit.hear(len(chunk) / _BYTES_PER_S)
        await self._settle(SENT_AHEAD)

    async def _settle(self, most: int) -> None:
        """Wait until no more than so many chunks are on their way; note those that have come."""
        while self._sending and (len(self._sending) > most or self._sending[0][1].done()):
            samples, storing = self._sending[0]
            sequence = await storing
            self._sending.popleft()
            self._passages.store(samples, sequence)
            await self._ask()

    async def _stored(self, event: AudioChunk) -> int:
        """Store audio, several times if need be: readers know its offset, and take it once."""
        for attempt in range(1, _STORE_TRIES):
            try:
                return await self._session.bus.store(event, self._session.place)
            except BusError as err:
                log.warning("recording.unstored", error=str(err))
                await asyncio.sleep(_LOOK_S * attempt)
        return await self._session.bus.store(event, self._session.place)

    async def _ask(self) -> None:
        for request in self._passages.requests():
            if self._asked_s is None:
                self._asked_s = now_s()
            await self._session.ask(request)

    def _take(self, event: Event) -> tuple[PassageRecognised, ...]:
        self._is_claimed |= isinstance(event, Claimed)
        if isinstance(event, Failure):
            self._fail(event)
        results = tuple(self._passages.take(event))
        for number in self._passages.disputed():
            self._ask_again(number)
        self._room.set()
        return results

    def _fail(self, failure: Failure) -> None:
        """Ask again in a moment, where that may help. An hour's work is not lost by one mishap."""
        if failure.turn and not self._passages.awaits(failure.turn, failure.revision):
            return
        if not failure.retryable:
            raise StageFailed(failure)
        self._failure = failure
        self._ask_again(failure.turn)

    def _reconnected(self) -> None:
        # What was said while nobody listened is in the log, which an edge may not read.
        self._ask_again(0)

    def _ask_again(self, number: int) -> None:
        self._again.add(number)
        self._again_s = now_s() + _LOOK_S

    async def _look(self, heard_s: float) -> None:
        """Look whether workers still work on it, and ask again for what needs it."""
        if self._again and now_s() >= self._again_s:
            numbers = (0,) if 0 in self._again else sorted(self._again)
            self._again.clear()
            for request in [r for number in numbers for r in self._asked_again(number)]:
                log.info("recording.asked_again", passage=request.turn, attempt=request.revision)
                await self._session.ask(request)
        waited_s = 0.0 if self._asked_s is None else now_s() - self._asked_s
        if not self._is_claimed and waited_s >= self._patience.claim_s:
            raise Busy("all workers are busy; try again", _BUSY_RETRY_S)
        if now_s() - heard_s >= self._patience.stall_s:
            raise EngineTimeout("the recording was not recognised in time")

    def _asked_again(self, number: int) -> list[RecogniseRequest]:
        try:
            return self._passages.again(number)
        except EngineTimeout:
            if self._failure is None:
                raise
            raise StageFailed(self._failure) from None


def _said(arriving: asyncio.Future[tuple[str, Event]]) -> Event:
    try:
        return arriving.result()[1]
    except StopAsyncIteration as err:
        raise BusUnavailable("this server is shutting down") from err
