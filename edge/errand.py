"""Work for the fleet without a conversation: no turn worker, no microphone, no one who interrupts.

An errand is a session of its own, with a job in it for each thing that is asked. Workers cannot
tell it from a turn of a conversation. Its end is the session's end: whoever still works on it stops
at once, and a job that waits for a worker is passed over by the one that takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from edge.clock import now_s
from edge.visit import Visit
from schemas.claim import Claimed
from schemas.codec import encode
from schemas.event import Event
from schemas.failure import Failure
from subjects.catalog import CATALOG
from voicebus.errors import BusUnavailable, Busy, EngineTimeout, ProtocolError
from voicebus.owners import is_of_turn
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions
from voicebus.sessions.stage_failed import StageFailed

MAX_REQUEST_BYTES: Final = 900_000
"""Largest job: the bus takes messages of 1 MB, with their headers."""

_BUSY_RETRY_S: Final = 2.0

Place = tuple[type[Event], int, int]


class Patience(Struct, frozen=True, kw_only=True):
    """How long an errand waits.

    Fields
        claim_s: For a worker to take a job, while nothing else of the errand happens.
        stall_s: For the next sign of life of those who have taken one.
    """

    claim_s: float
    stall_s: float


class Errand:
    """One caller's work in the fleet's hands. Made by :func:`open_errand`.

    Attributes:
        session: Its session, for work that takes more than a job.
    """

    def __init__(self, session: Session, visit: Visit, patience: Patience) -> None:
        self.session: Final = session
        self._visit = visit
        self._patience = patience
        self._reached: dict[Place, int] = {}
        self._unclaimed: dict[tuple[str, int], float] = {}

    async def ask(self, request: Event) -> None:
        """Publish a job. ``request.turn`` tells its results from those of others.

        Raises:
            ProtocolError: ``request_too_large``.
            BusUnavailable: The connection is gone.
        """
        if len(encode(request)) > MAX_REQUEST_BYTES:
            raise ProtocolError("this request is too large for the workers", "request_too_large")
        (role,) = CATALOG[type(request)].readers
        self._unclaimed[role, request.turn] = now_s() + self._patience.claim_s
        await self.session.ask(request)

    async def events(self) -> AsyncIterator[Event]:
        """Yield what the workers say, each message once and with none missing. Never ends.

        Raises:
            StageFailed: A worker could not do its work.
            Busy: No worker took a job in time.
            EngineTimeout: One took it, and says nothing any more.
            BusUnavailable: A message is missing, or the edge is shutting down.
        """
        while True:
            event = await self._next()
            for place in self._unclaimed:
                # While one is answered, the next one waits for its worker and not in vain.
                self._unclaimed[place] = now_s() + self._patience.claim_s
            match event:
                case Claimed():
                    self._unclaimed.pop((event.role, event.turn), None)
                case Failure():
                    raise StageFailed(event)
                case _:
                    self._expect_due(event)
                    self._visit.count(event)
                    yield event

    async def _next(self) -> Event:
        heard_s = now_s()
        while True:
            until_s = min((heard_s + self._patience.stall_s, *self._unclaimed.values()))
            try:
                async with asyncio.timeout(max(0.0, until_s - now_s())):
                    _, event = await self.session.inbox.next()
            except TimeoutError as err:
                if any(due_s <= now_s() for due_s in self._unclaimed.values()):
                    raise Busy("all workers are busy; try again", _BUSY_RETRY_S) from err
                raise EngineTimeout("the answer did not come in time") from err
            except StopAsyncIteration as err:
                raise BusUnavailable("this server is shutting down") from err
            return event

    def _expect_due(self, event: Event) -> None:
        """Notice a message that never came: an answer with a hole is none."""
        if not is_of_turn(event):
            return
        place = (type(event), event.turn, event.revision)
        if event.seq > self._reached.get(place, 0):
            raise BusUnavailable("a part of the answer was lost; ask again")
        self._reached[place] = event.seq + 1


@asynccontextmanager
async def open_errand(
    sessions: Sessions, visit: Visit, kind: str, roles: tuple[str, ...], patience: Patience
) -> AsyncIterator[Errand]:
    """Open an errand; whatever of it still runs is cancelled when the context ends.

    Args:
        sessions: The edge's sessions.
        visit: The caller, on whose account it goes.
        kind: Kind of client.
        roles: Whose workers it needs.
        patience: How long it waits.

    Raises:
        LimitReached: The caller has had its share.
        NoWorker: Nobody is there who could do it.
        BusError: It cannot be done now.
    """
    visit.expect_turn()
    async with visit.session(), sessions.open(kind, roles=roles) as session:
        # Not before: who is refused asks again, and has had nothing.
        visit.begin_turn()
        try:
            yield Errand(session, visit, patience)
        except asyncio.CancelledError:
            session.close_reason = "lost"
            raise
