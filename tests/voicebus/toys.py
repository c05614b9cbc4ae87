"""Work without an engine, and jobs for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from schemas.llm import GenerateRequest, Message
from subjects.catalog import Place
from voicebus.bus.client import Bus
from voicebus.claim import Claim
from voicebus.worker import Role

ASKED = (Message(role="user", content="hello"),)


def role(worker: str = "a", slots: int = 4) -> Role:
    """A worker that answers turns."""
    return Role(name="llm", slots=slots, engine="toy", worker=worker)


async def ask(bus: Bus, place: Place, turn: int = 1, revision: int = 0) -> None:
    """Publish a job that lasts a turn."""
    request = GenerateRequest(turn=turn, revision=revision, messages=ASKED)
    await bus.store(request, place, job=f"{turn}-{revision}")


class Work:
    """A toy: notes who held what, and how many at once; ends when it is let go."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.held = 0
        self.most = 0
        self.go = asyncio.Event()

    async def __call__(self, claim: Claim) -> None:
        """Hold the claim until it may go."""
        self.claims.append(claim)
        self.held += 1
        self.most = max(self.most, self.held)
        try:
            await self.go.wait()
        finally:
            self.held -= 1

    def holds(self, number: int) -> Callable[[], bool]:
        """A condition: so many are held now."""
        return lambda: self.held == number
