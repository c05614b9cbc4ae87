"""One provider, asked for one reply: how far it came, and what it has counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal

from services.llm.engine import Piece
from services.llm.prices import Counted
from services.llm.providers import Provider

Outcome = Literal["", "answered", "failed", "left"]
"""``left``: nobody waited for it any more. Empty while it lasts."""


class Attempt:
    """Asks one provider; used by one reader.

    Args:
        provider: Who is asked.
        model: What it is asked for.
        stream: Its answer.
        begun_s: When it was asked.
        is_sent: Whether a request goes out: there is none where nothing is left to be asked for.
        offers_tools: Whether functions go with it.

    Attributes:
        first: The first piece, once it is there.
        outcome: What came of it.
        error: Code of the error in which it ended.
        made: Pieces that it streamed.
        counted: Tokens and cost, as far as it told them.
        ttft_s: Until the first piece; 0 if there was none.
        duration_s: Until its end.
    """

    def __init__(
        self,
        provider: Provider,
        model: str,
        stream: AsyncGenerator[Piece, None],
        begun_s: float,
        *,
        is_sent: bool,
        offers_tools: bool = False,
    ) -> None:
        self.provider = provider
        self.model = model
        self.stream = stream
        self.is_sent = is_sent
        self.offers_tools = offers_tools
        self.first: Piece | None = None
        self.outcome: Outcome = ""
        self.error = ""
        self.made = 0
        self.counted = Counted()
        self.ttft_s = 0.0
        self.duration_s = 0.0
        self._begun_s = begun_s
        self._listening: asyncio.Task[Piece | None] | None = None

    def listening(self) -> asyncio.Task[Piece | None]:
        """Return the task that waits for the first piece."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._spoken())
        return self._listening

    async def speak(self) -> None:
        """Wait for the first piece; there is none in an answer without any.

        Raises:
            EngineError: As for :meth:`services.llm.engine.Engine.generate`.
        """
        self.first = await (self._listening or self._spoken())

    def note(self, piece: Piece, now_s: float) -> Piece:
        """Take note of a piece and return it."""
        self.ttft_s = self.ttft_s or now_s - self._begun_s
        self.made += bool(piece.text or piece.tool_calls)
        if piece.finish_reason:
            self.counted = Counted(
                prompt_tokens=piece.prompt_tokens,
                cached_tokens=piece.cached_tokens,
                tokens=piece.tokens,
                cost_usd=piece.cost_usd,
            )
        return piece

    def end(self, outcome: Outcome, now_s: float) -> None:
        """Take note of the end."""
        self.outcome = outcome
        self.duration_s = now_s - self._begun_s

    async def stop(self) -> None:
        """Leave it, whatever it is at."""
        if self._listening is not None and not self._listening.done():
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self.stream.aclose()

    async def _spoken(self) -> Piece | None:
        return await anext(self.stream, None)
