"""One reply, from whichever provider gives it.

The first in order is asked. When it fails before its first word, the next one is; when it fails in
the middle, the next one goes on behind the words that are there, as on a takeover
(:mod:`services.llm.continuing`): no word is said twice. Where hedging is on, a second one is asked
besides a first that is silent for long, and who speaks first is heard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Final

import structlog
from msgspec.structs import replace

from schemas.llm import GenerateRequest
from services.llm.attempt import Attempt, Outcome
from services.llm.continuing import continued
from services.llm.engine import Piece
from services.llm.providers import Provider, Providers
from services.llm.published import Published
from services.llm.writer import Writer
from voicebus import metrics
from voicebus.errors import EngineError

log: Final = structlog.get_logger()


class Asking:
    """Asks for one reply.

    Args:
        providers: Who may be asked.
        request: What for.
        published: What another worker has published of the reply.
        writer: Writes it.

    Attributes:
        attempts: Who was asked, and what came of it.
    """

    def __init__(
        self, providers: Providers, request: GenerateRequest, published: Published, writer: Writer
    ) -> None:
        self._providers = providers
        self._request = request
        self._writer = writer
        self._begun = published
        self._refusals: list[EngineError] = []
        self._running: list[Attempt] = []
        self.attempts: list[Attempt] = []

    @property
    def answered(self) -> Attempt:
        """The attempt that gave the reply, or its end."""
        return next(attempt for attempt in self.attempts if attempt.outcome == "answered")

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Stream the reply; see :meth:`services.llm.engine.Engine.generate`.

        Raises:
            EngineError: Nobody could give it. Of several errors it is one that may be gone later.
        """
        waiting = self._providers.order(self._request, begun=self._is_begun)
        try:
            while True:
                attempt = await self._first(waiting)
                try:
                    if attempt.first is not None:
                        yield attempt.note(attempt.first, time.perf_counter())
                        async for piece in attempt.stream:
                            yield attempt.note(piece, time.perf_counter())
                except EngineError as error:
                    self._fail(attempt, error)
                    if self._writer.published.tool_calls:
                        raise  # half a call can neither be gone on with nor be begun anew
                else:
                    self._providers.answered(attempt.provider)
                    self._end(attempt, "answered")
                    return
                self._begun = self._writer.published
                order = self._providers.order(self._request, begun=self._is_begun)
                waiting = [provider for provider in order if provider in waiting]
        finally:
            for attempt in list(self._running):
                await self._leave(attempt)

    @property
    def _is_begun(self) -> bool:
        begun = self._begun
        return begun.deltas > 0 or begun.is_complete or bool(begun.text)

    async def _first(self, waiting: list[Provider]) -> Attempt:
        """Ask one after the other until somebody speaks; take who was asked from ``waiting``."""
        winner: Attempt | None = None
        while winner is None:
            if not self._running:
                self._start(waiting)
            if len(self._running) == 1 and not (waiting and self._may_hedge):
                winner = await self._heard(self._running[0])
                continue
            tasks = {attempt.listening(): attempt for attempt in self._running}
            is_first = len(tasks) == 1
            patience_s = self._providers.hedge_after_s if is_first else None
            done, _ = await asyncio.wait(
                tasks, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                self._start(waiting)
            for task in done:
                winner = await self._heard(tasks[task]) or winner
        for attempt in [attempt for attempt in self._running if attempt is not winner]:
            await self._leave(attempt)
        return winner

    @property
    def _may_hedge(self) -> bool:
        return self._providers.hedge_after_s > 0 and not self._is_begun

    async def _heard(self, attempt: Attempt) -> Attempt | None:
        try:
            await attempt.speak()
        except EngineError as error:
            self._fail(attempt, error)
            return None
        return attempt

    def _start(self, waiting: list[Provider]) -> None:
        if not waiting:
            raise next((err for err in self._refusals if err.retryable), self._refusals[-1])
        provider = waiting.pop(0)
        model = provider.model_of(self._request)
        request = replace(self._request, model=model) if self._request.model else self._request
        is_failover = bool(self._refusals)
        if self._is_begun:
            count = _count_failover if is_failover else _count_takeover
            stream = continued(provider.engine, request, self._begun, self._writer, count)
        else:
            stream = provider.engine.generate(request)
            if is_failover:
                _count_failover("unheard")
        attempt = Attempt(provider, model, stream, time.perf_counter())
        self._providers.asked(provider)
        self.attempts.append(attempt)
        self._running.append(attempt)

    def _fail(self, attempt: Attempt, error: EngineError) -> None:
        self._providers.failed(attempt.provider, error, self._request)
        self._refusals.append(error)
        attempt.error = error.code
        self._end(attempt, "failed")
        metrics.LLM_PROVIDER_FAILURES.labels(attempt.provider.name, error.code).inc()
        log.warning(
            "provider.failed",
            provider=attempt.provider.name,
            code=error.code,
            tokens=attempt.made,
            reason=str(error),
        )

    async def _leave(self, attempt: Attempt) -> None:
        await attempt.stop()
        has_spoken = attempt.made > 0
        (self._providers.answered if has_spoken else self._providers.left)(attempt.provider)
        self._end(attempt, "left")

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        attempt.end(outcome, time.perf_counter())
        self._running.remove(attempt)


def _count_takeover(outcome: str) -> None:
    metrics.TAKEOVERS.labels("llm", outcome).inc()


def _count_failover(outcome: str) -> None:
    metrics.LLM_FAILOVERS.labels(outcome).inc()
