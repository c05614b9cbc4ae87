"""How much of what was written under each claim has no outcome yet."""

from __future__ import annotations

import asyncio
from collections import Counter

from voicebus.bus.acks import Settled
from voicebus.errors import BusError


class Unsettled:
    """Counts what was written and not settled, by claim."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._empty: dict[str, asyncio.Event] = {}

    def begin(self, claim: str, settled: Settled | None) -> Settled:
        """Count a write; return what is to be told its outcome, instead of ``settled``."""
        self._counts[claim] += 1

        def ended(sequence: int, error: BusError | None) -> None:
            self.end(claim)
            if settled is not None:
                settled(sequence, error)

        return ended

    def end(self, claim: str) -> None:
        """A write has its outcome, or was never handed over."""
        self._counts[claim] -= 1
        if not self._counts[claim]:
            del self._counts[claim]
            if claim in self._empty:
                self._empty.pop(claim).set()

    async def wait(self, claim: str) -> None:
        """Wait until nothing of a claim is left."""
        if claim in self._counts:
            await self._empty.setdefault(claim, asyncio.Event()).wait()
