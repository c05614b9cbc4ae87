"""Keeps what was said in a session in its conversation, and hears what others say there.

Nobody waits for it: what is to be written goes through a queue, behind the conversation itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog
from msgspec.structs import replace

from schemas.conversation import ConversationKept, Exchange, LinkAsked, LinkKept, LinkMade
from schemas.llm import SummaryMade
from schemas.session import ForgetAsked
from schemas.turn import HangUp
from services.turn import shelf
from services.turn.admission import Links, Membership
from services.turn.kept import appended, from_elsewhere, number_of, remembering, summed_up, unkept
from services.turn.settings import TurnSettings
from services.turn.shelf import Found
from services.turn.turns import Turns
from subjects.kept import conversation_subject
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import BusError, Fenced, LimitReached
from voicebus.guesses import Guesses

log: Final = structlog.get_logger()

_AGAIN_S: Final = 0.5
"""Pause after the bus has refused a write."""

_LAST_S: Final = 5.0
"""How long the end of a session waits for what is still to be kept."""

_CODES_PER_MIN: Final = 10
"""Link codes that a session may have made."""

_FORGOTTEN: Final = HangUp(reason="forgotten")

Item = Exchange | str | SummaryMade | LinkAsked | ForgetAsked | HangUp
"""What is to be written; a text is a fact about the user."""


class Keeper:
    """One session's part in its conversation. Made by :func:`keeping`.

    Args:
        claim: The session.
        member: Its place in the conversation.
        turns: Where its turns end.
        settings: How much is kept.
        links: How long link codes are good.

    Attributes:
        elsewhere: What was said in other sessions before this worker came, by the turn of this
            session behind which it was.
    """

    def __init__(
        self,
        claim: Claim,
        member: Membership,
        turns: Turns,
        settings: TurnSettings,
        links: Links,
    ) -> None:
        self._claim = claim
        self._conversation = member.conversation
        self._session = member.session
        self._turns = turns
        self._settings = settings
        self._link_age_s = links.age_s
        self._made = Guesses(_CODES_PER_MIN)
        self._found = member.found
        self._forgotten = member.forgotten
        self._is_over = False
        self._pending: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        kept = member.found.kept or ConversationKept(owners=())
        if kept.forgotten > member.forgotten:  # it was deleted, and begun anew by others
            kept = ConversationKept(owners=())
        self._known = dict.fromkeys(map(number_of, kept.exchanges))
        self.elsewhere: Final = from_elsewhere(kept, member.session)

    @property
    def subject(self) -> str:
        """Where the conversation is heard as it goes on."""
        return conversation_subject(self._claim.bus.cell, self._conversation)

    def hear(self, kept: ConversationKept) -> None:
        """Take what others said meanwhile; a message that was missed is in the next one, too."""
        if kept.forgotten > self._forgotten:
            self._part()
            return
        for exchange in kept.exchanges:
            number = number_of(exchange)
            if exchange.session != self._session and number not in self._known:
                self._known[number] = None
                self._turns.elsewhere(exchange)
        while len(self._known) > 4 * self._settings.kept_turns:
            del self._known[next(iter(self._known))]

    def tell_elsewhere(self, turn: int) -> None:
        """Go on with what was said in other sessions behind a turn of this one; 0: before all."""
        for exchange in self.elsewhere.pop(turn, ()):
            self._turns.elsewhere(exchange)

    def caught_up(self) -> None:
        """The log was read to its end: keep what a worker before us had no time for."""
        if self._found.forgotten > self._forgotten:
            self._part()
        for turn in list(self.elsewhere):
            self.tell_elsewhere(turn)
        said = self._taken()
        kept = self._found.kept
        self._add(*(said if kept is None else unkept(kept, self._session, said)), *self._notes())

    def keep(self) -> None:
        """Keep what was said in the turns that have ended by now."""
        self._add(*self._taken(), *self._notes())

    def obey(self, asked: LinkAsked | ForgetAsked) -> None:
        """Make a link code, or delete the conversation."""
        self._add(asked)

    def _part(self) -> None:
        """The conversation is deleted: the session ends, and nothing of it is kept any more."""
        if not self._is_over:
            self._pending.clear()
            self._add(_FORGOTTEN)
            self._is_over = True

    def _add(self, *items: Item) -> None:
        if items and not self._is_over:
            self._pending.extend(items)
            self._idle.clear()
            self._wake.set()

    def _taken(self) -> list[Exchange]:
        said, self._turns.exchanged = self._turns.exchanged, []
        return [replace(exchange, session=self._session) for exchange in said]

    def _notes(self) -> list[Item]:
        facts, self._turns.facts = self._turns.facts, []
        summaries = self._turns.summaries
        made, summaries.made = summaries.made, []
        return [*facts, *made]

    async def run(self) -> None:
        """Write what is to be written, until cancelled or fenced."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                # Only what stands in the session's log counts: another worker may have it by now.
                await self._claim.settled()
                if self._claim.lost.done() or self._claim.moved.done():
                    return
                try:
                    await self._write()
                except BusError as err:
                    log.warning("conversation.unwritten", error=str(err))
                    await asyncio.sleep(_AGAIN_S)
            self._idle.set()

    async def end(self, running: asyncio.Task[None]) -> None:
        """The session ends: wait for what is still to be written."""
        idle = asyncio.create_task(self._idle.wait())
        await asyncio.wait((running, idle), timeout=_LAST_S, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        unkept_turns = sum(isinstance(item, Exchange) for item in self._pending)
        if unkept_turns and not (self._claim.lost.done() or self._claim.moved.done()):
            metrics.EXCHANGES_UNKEPT.inc(unkept_turns)
            log.error("conversation.unkept", turns=unkept_turns)

    async def _write(self) -> None:
        match self._pending[0]:
            case LinkAsked() as asked:
                await self._make(asked.digest)
                self._done(asked)
            case ForgetAsked():
                await self._forget()
            case HangUp() as order:
                await self._claim.publish(order)
                self._done(order)
            case Exchange() | str() | SummaryMade():
                await self._keep()

    def _done(self, *items: Item) -> None:
        """Wait with these no more, if they still wait: all are let go when it is deleted."""
        for item in items:
            if item in self._pending:
                self._pending.remove(item)

    async def _keep(self) -> None:
        said = [item for item in self._pending if isinstance(item, Exchange)]
        facts = [item for item in self._pending if isinstance(item, str)]
        made = [item for item in self._pending if isinstance(item, SummaryMade)]
        most, chars = self._settings.kept_turns, self._settings.kept_chars

        def change(found: Found) -> ConversationKept | None:
            if found.forgotten > self._forgotten:
                return None
            kept = found.kept or self._found.kept or ConversationKept(owners=())
            wanted = summed_up(remembering(appended(kept, said, most, chars), facts), made)
            return None if wanted == kept else wanted

        await self._replace(change)
        self._done(*said, *facts, *made)
        if self._found.kept is not None:
            self.hear(self._found.kept)

    async def _forget(self) -> None:
        def change(found: Found) -> ConversationKept | None:
            is_there = found.kept is not None and found.forgotten == self._forgotten
            return ConversationKept(owners=(), forgotten=self._forgotten + 1) if is_there else None

        await self._replace(change)
        metrics.CONVERSATIONS_FORGOTTEN.inc()
        self._part()

    async def _replace(self, change: Callable[[Found], ConversationKept | None]) -> None:
        self._found = await shelf.replace(self._claim.bus, self._conversation, self._found, change)
        if self._found.forgotten > self._forgotten:
            self._part()

    async def _make(self, digest: str) -> None:
        try:
            self._made.take(self._session, time.monotonic())
        except LimitReached as err:
            await self._claim.fail(err)
            return
        try:
            await shelf.keep_link(
                self._claim.bus, digest, LinkKept(conversation=self._conversation)
            )
        except Fenced:
            # A worker before us has made it; or it is somebody else's, and not to be told of.
            link = await shelf.find_link(self._claim.bus, digest)
            if link is None or link.kept != LinkKept(conversation=self._conversation):
                log.warning("link.refused")
                return
        metrics.LINK_CODES_MADE.inc()
        await self._claim.publish(LinkMade(digest=digest, expires_s=self._link_age_s))


@contextlib.asynccontextmanager
async def keeping(keeper: Keeper | None) -> AsyncIterator[None]:
    """Keep while the context lasts; at its end, what is left."""
    if keeper is None:
        yield
        return
    running = asyncio.create_task(keeper.run())
    try:
        yield
        await keeper.end(running)
    finally:
        running.cancel()
        await asyncio.wait((running,))
        if not running.cancelled() and (error := running.exception()) is not None:
            log.error("conversation.crashed", exc_info=error)
