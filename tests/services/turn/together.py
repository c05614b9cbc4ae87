"""Sessions of one conversation on a real bus, each led by a turn worker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from schemas.conversation import ConversationKept, Join, Joined, LinkAsked, LinkMade
from schemas.event import Event
from schemas.llm import GenerateRequest, GenerationDone
from schemas.session import ForgetAsked, UserText
from schemas.settings import SessionSettings
from schemas.turn import ConverseRequest, HangUp, Return, TurnEnded
from services.turn import shelf
from services.turn.admission import Links
from services.turn.settings import TurnSettings
from services.turn.worker import converse
from subjects.catalog import Place, subject_of
from tests.workers import claim_on
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.conversations import digest_of
from voicebus.personas.library import Library

E = TypeVar("E", bound=Event)

LIMIT_S = 10.0


class Talk:
    """A session that is led, seen from its edge. Answers are written."""

    texts = 0
    """How many its client has typed; a client that comes back goes on counting."""

    def __init__(self, bus: Bus, place: Place, inbox: Inbox, leading: asyncio.Task[None]) -> None:
        self.bus = bus
        self.place = place
        self.leading = leading
        self._inbox = inbox

    async def hear(self, kind: type[E]) -> E:
        """Wait for a message of this kind; what comes before is left out."""
        async with asyncio.timeout(LIMIT_S):
            async for _, event in self._inbox:
                if isinstance(event, kind):
                    return event
        raise AssertionError("the session's messages ended")

    async def ask(self, text: str) -> GenerateRequest:
        """Type a turn; return what the model is asked."""
        self.texts += 1
        await self.bus.store(UserText(text=text, seq=self.texts), self.place)
        return await self.hear(GenerateRequest)

    async def turn(self, text: str, answer: str) -> GenerateRequest:
        """Type a turn and have it answered."""
        asked = await self.ask(text)
        done = GenerationDone(turn=asked.turn, revision=asked.revision, text=answer)
        await self.bus.store(done, self.place)
        await self.hear(TurnEnded)
        return asked

    async def code(self, code: str) -> LinkMade:
        """Have a link code made."""
        await self.bus.store(LinkAsked(digest=digest_of(code), seq=-1), self.place)
        return await self.hear(LinkMade)

    async def forget(self) -> None:
        """Ask for the conversation to be deleted."""
        await self.bus.store(ForgetAsked(seq=-2), self.place)

    async def hang_up(self) -> str:
        """Wait until the session is to end; return why."""
        return (await self.hear(HangUp)).reason


@asynccontextmanager
async def talk(
    bus: Bus,
    place: Place,
    join: Join | None,
    *,
    settings: SessionSettings = SessionSettings(),  # noqa: B008 - frozen
    links: Links | None = None,
    library: Library | None = None,
    attempt: int = 1,
    resumes: Return | None = None,
    transfers: bool = False,
) -> AsyncIterator[Talk]:
    """Lead a session that asks for a conversation, until the context ends."""
    request = ConverseRequest(
        speak=False, join=join, settings=settings, resumes=resumes, transfers=transfers
    )
    kinds = (Joined, GenerateRequest, TurnEnded, HangUp)
    async with bus.listen(*{subject_of(kind, place) for kind in kinds}) as inbox:
        await bus.flush()
        claim = await claim_on(bus, place, "turn", request, job="session", attempt=attempt)
        leading = asyncio.create_task(converse(claim, TurnSettings(), links or Links(), library))
        try:
            yield Talk(bus, place, inbox, leading)
        finally:
            leading.cancel()
            await asyncio.wait((leading,))


def told(asked: GenerateRequest) -> list[str]:
    """What the model is told, without the system prompt."""
    return [message.content for message in asked.messages[1:]]


async def kept_turns(bus: Bus, conversation: str, number: int) -> ConversationKept:
    """Wait until so many turns of a conversation are kept."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            kept = (await shelf.find(bus, conversation)).kept
            if kept is not None and len(kept.exchanges) >= number:
                return kept
            await asyncio.sleep(0.02)
