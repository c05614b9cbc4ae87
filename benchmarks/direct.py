"""What the workers and the edge need of a bus, as function calls within one process.

The floor of ``voicebus bench latency``: the same workers, engines, turn-taking and edge, but what
one of them says is handed to the others as an object. No server, no encoding, no claim, no
acknowledgement, no recording. What the whole system needs beyond it is the bus tax.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast

import msgspec

from schemas.claim import Claimed
from schemas.codec import encode
from schemas.event import Event
from subjects.catalog import Place, subject_of
from subjects.jobs import job_of
from subjects.tokens import new_token
from voicebus.bus.client import Bus, Fence
from voicebus.bus.delivery import Delivery
from voicebus.bus.inbox import Inbox
from voicebus.bus.replay import Recorded
from voicebus.claim import Claim
from voicebus.errors import VoicebusError
from voicebus.tracing.tracing import OFF, Tracer
from voicebus.worker import Work

_READ: Final = frozenset({"clause", "turn", "control"})
"""Leaves that somebody reads back: words that were there before their speaker, and last words."""

_HEARD: Final = ("up", "audio")
"""What a caller says before the ears listen is read back, too. Later it is heard as it comes."""


class Direct:
    """Stands in for :class:`voicebus.bus.client.Bus`. One per process.

    Args:
        group: Owns the work that is asked for.
        work: What is done for each role's jobs.
    """

    def __init__(self, group: asyncio.TaskGroup, work: Mapping[str, Work]) -> None:
        self.cell = new_token("c")
        self.is_connected = True
        self.tracing: Tracer = OFF
        self.on_disconnect: list[Callable[[], None]] = []
        self.on_reconnect: list[Callable[[], None]] = []
        self._group = group
        self._work = work
        self._numbers = itertools.count(1)
        self._listening: defaultdict[str, list[Inbox]] = defaultdict(list)
        self._edges: list[tuple[str, Inbox]] = []
        self._said: defaultdict[str, list[Recorded]] = defaultdict(list)

    def records(self, kind: type[Event]) -> bool:
        """Nothing is recorded."""
        return False

    async def publish(
        self,
        event: Event,
        place: Place,
        fence: Fence | None = None,
        settled: Callable[..., None] | None = None,
        *,
        job: str = "",
    ) -> None:
        """Hand a message to all who listen, or a job to the one whose role it is."""
        subject = subject_of(type(event), place, job=job)
        if job:
            self._begin(subject, event, place)
        else:
            self._hand(subject, event)

    @asynccontextmanager
    async def listen(self, *subjects: str, limit: int = 4096) -> AsyncIterator[Inbox]:
        """Receive messages, as :meth:`voicebus.bus.client.Bus.listen` does."""
        inbox = Inbox(limit)
        for subject in subjects:
            if subject.endswith(">"):
                self._edges.append((subject[:-1], inbox))
            else:
                self._listening[subject].append(inbox)
        try:
            yield inbox
        finally:
            inbox.close()
            self._edges = [entry for entry in self._edges if entry[1] is not inbox]
            for subject in subjects:
                with suppress(KeyError, ValueError):
                    self._listening[subject].remove(inbox)

    async def flush(self) -> None:
        """All that was said has been heard."""

    async def announce(self, subject: str, payload: bytes) -> None:
        """Nobody watches."""

    async def read(
        self, stream: str, subject: str, *, sequence: int = 1, since_ns: int = 0
    ) -> AsyncIterator[Recorded]:
        """Read what was said on a subject, where anybody ever does."""
        for message in self._said.get(subject, ()):
            if message.sequence >= sequence:
                yield message

    async def first(self, stream: str, subject: str, since_ns: int) -> Recorded | None:
        """Return what was said first on a subject since a time."""
        said = self._said.get(subject, ())
        return next((message for message in said if message.stored_ns >= since_ns), None)

    async def last(self, stream: str, subject: str) -> Recorded | None:
        """Return what was said last on a subject."""
        said = self._said.get(subject)
        return said[-1] if said else None

    def forget(self, session: str) -> None:
        """A session is over."""
        for kept in (self._listening, self._said):
            for subject in [name for name in kept if f".{session}." in name]:
                del kept[subject]

    def _hand(self, subject: str, event: Event) -> None:
        number = next(self._numbers)
        _, _, way, *_, leaf = subject.split(".")
        is_early = (way, leaf) == _HEARD and not self._listening.get(subject)
        if is_early or leaf in _READ:
            recorded = Recorded(subject, number, time.monotonic_ns(), encode(event))
            self._said[subject].append(recorded)
        for inbox in self._listening.get(subject, ()):
            inbox.put(subject, event)
        for head, inbox in self._edges:
            if subject.startswith(head):
                inbox.put(subject, event)

    def _begin(self, subject: str, request: Event, place: Place) -> None:
        role = subject.split(".")[3]
        number = next(self._numbers)
        delivery = Delivery(subject, b"", "", 1, number, time.monotonic_ns())
        claim = Claim(cast("Bus", self), role, delivery, request, job_of(subject))
        claimed = Claimed(role=role, worker="floor", turn=request.turn, revision=request.revision)
        owned = subject_of(Claimed, place, role, claim.job)
        claim.own(Fence(owned, number))
        self._hand(owned, msgspec.structs.replace(claimed, epoch=number))
        self._group.create_task(self._run(role, claim))

    async def _run(self, role: str, claim: Claim) -> None:
        try:
            await self._work[role](claim)
        except VoicebusError as err:
            request = claim.request
            await claim.fail(err, request.turn, revision=request.revision)
        if role == "turn":
            self.forget(claim.place.session)


def as_bus(direct: Direct) -> Bus:
    """Return it as what the workers and the edge take for a bus."""
    return cast("Bus", cast("Any", direct))
