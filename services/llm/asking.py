"""One reply, from whichever provider gives it.

The first in order is asked. When it fails before its first word, the next one is; when it fails in
the middle, the next one goes on behind the words that are there, as on a takeover
(:mod:`services.llm.continuing`): no word is said twice. Where hedging is on, a second one is asked
besides a first that is silent for long, and who speaks first is heard; the slower one may be asked
again should that fail. Who refuses functions is not asked besides somebody who was offered them: an
answer without them is for where that one has failed, not for where it is slow.

Who ends a reply that is to be spoken, not by its own will, before there is a word of it has failed.
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
from services.llm.continuing import Count, continued, ended
from services.llm.engine import Engine, Piece
from services.llm.providers import Provider, Providers
from services.llm.published import Published
from services.llm.writer import Writer
from voicebus import metrics
from voicebus.errors import EngineError, RequestRefused

log: Final = structlog.get_logger()

_WILLING: Final = frozenset({"", "stop", "tool_calls"})
"""Why a reply ends that is as the model wanted it."""


class Asking:
    """Asks for one reply.

    Args:
        providers: Who may be asked.
        request: What for.
        published: What another worker has published of the reply.
        writer: Writes it.
        taken: Is told how a reply is gone on with that another worker has begun.

    Attributes:
        attempts: Who was asked, and what came of it.
    """

    def __init__(
        self,
        providers: Providers,
        request: GenerateRequest,
        published: Published,
        writer: Writer,
        taken: Count,
    ) -> None:
        self._providers = providers
        self._request = request
        self._writer = writer
        self._begun = published
        self._taken = taken
        self._refusals: list[EngineError] = []
        self._running: list[Attempt] = []
        self._closing: list[asyncio.Task[None]] = []
        self.attempts: list[Attempt] = []

    @property
    def answered(self) -> Attempt:
        """The attempt that gave the reply, or its end."""
        return next(attempt for attempt in self.attempts if attempt.outcome == "answered")

    @property
    def failovers(self) -> int:
        """How many others had failed. Who refused functions and then answered without is none."""
        failed = {one.provider.name for one in self.attempts if one.outcome == "failed"}
        return len(failed - {self.answered.provider.name})

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
                        yield self._noted(attempt, attempt.first)
                        async for piece in attempt.stream:
                            yield self._noted(attempt, piece)
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
                self._leave(attempt)
            await self._closed()

    @property
    def _is_begun(self) -> bool:
        begun = self._begun
        return begun.deltas > 0 or begun.is_complete or bool(begun.text)

    async def _first(self, waiting: list[Provider]) -> Attempt:
        """Ask one after the other until somebody speaks; take who was asked from ``waiting``.

        Who was only slower is put back.
        """
        winner: Attempt | None = None
        while winner is None:
            if not self._running:
                self._start(waiting)
            if len(self._running) == 1 and not self._may_hedge(waiting):
                winner = await self._heard(self._running[0], waiting)
                continue
            tasks = {attempt.listening(): attempt for attempt in self._running}
            is_first = len(tasks) == 1
            patience_s = self._providers.hedge_after_s if is_first else None
            done, _ = await asyncio.wait(
                tasks, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            # Another turn may have found out meanwhile that the next one refuses functions.
            if not done and self._may_hedge(waiting):
                self._start(waiting)
            for task in done:
                winner = await self._heard(tasks[task], waiting) or winner
        for attempt in [attempt for attempt in self._running if attempt is not winner]:
            waiting.append(attempt.provider)
            self._leave(attempt)
        return winner

    def _noted(self, attempt: Attempt, piece: Piece) -> Piece:
        attempt.note(piece, time.perf_counter())
        reason = piece.finish_reason
        has_words = bool((self._writer.text + piece.text).strip())
        if self._request.spoken and reason not in _WILLING and not has_words:
            raise _wordless(reason, self._request, attempt.provider.engine)
        return piece

    def _may_hedge(self, waiting: list[Provider]) -> bool:
        if not waiting or self._providers.hedge_after_s <= 0 or self._is_begun:
            return False
        has_tools = bool(self._request.tools) and self._running[0].offers_tools
        return not has_tools or waiting[0].takes_tools(self._request)

    async def _heard(self, attempt: Attempt, waiting: list[Provider]) -> Attempt | None:
        """Wait for its first word. Who turns out to refuse functions comes last, without them."""
        try:
            await attempt.speak()
        except EngineError as error:
            self._fail(attempt, error)
            if attempt.offers_tools and not attempt.provider.takes_tools(self._request):
                waiting.append(attempt.provider)
            return None
        return attempt

    def _start(self, waiting: list[Provider]) -> None:
        if not waiting:
            raise next((err for err in self._refusals if err.retryable), self._refusals[-1])
        provider, is_sent = waiting.pop(0), True
        model = provider.model_of(self._request)
        request = replace(self._request, model=model) if self._request.model else self._request
        failed = (attempt for attempt in self.attempts if attempt.outcome == "failed")
        is_failover = any(attempt.provider is not provider for attempt in failed)
        offers_tools = bool(request.tools) and provider.takes_tools(request)
        if request.tools and not offers_tools:
            metrics.LLM_WITHOUT_TOOLS.labels(provider.name).inc()
        if self._is_begun:
            count = _count_failover if is_failover else self._taken
            is_sent = not ended(provider.engine, request, self._begun)
            stream = continued(provider.engine, request, self._begun, self._writer, count)
        else:
            stream = provider.engine.generate(request)
            if is_failover:
                _count_failover("unheard")
        attempt = Attempt(
            provider,
            model,
            stream,
            time.perf_counter(),
            is_sent=is_sent,
            offers_tools=offers_tools,
        )
        self._providers.asked(provider)
        self.attempts.append(attempt)
        self._running.append(attempt)

    def _fail(self, attempt: Attempt, error: EngineError) -> None:
        self._providers.failed(attempt.provider, error, self._request)
        self._refusals.append(error)
        attempt.error = error.code
        self._end(attempt, "failed")
        self._close(attempt)
        metrics.LLM_PROVIDER_FAILURES.labels(attempt.provider.name, error.code).inc()
        log.warning(
            "provider.failed",
            provider=attempt.provider.name,
            code=error.code,
            tokens=attempt.made,
            reason=str(error),
        )

    def _leave(self, attempt: Attempt) -> None:
        has_spoken = attempt.made > 0
        (self._providers.answered if has_spoken else self._providers.left)(attempt.provider)
        self._end(attempt, "left")
        self._close(attempt)

    def _close(self, attempt: Attempt) -> None:
        """Close its connection aside: the next one need not wait for that."""
        self._closing.append(asyncio.create_task(attempt.stop()))

    async def _closed(self) -> None:
        """Wait for the connections that are being closed. What goes wrong costs no reply."""
        for error in await asyncio.gather(*self._closing, return_exceptions=True):
            if error is not None:
                log.warning("provider.not_closed", reason=str(error))

    def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        attempt.end(outcome, time.perf_counter())
        self._running.remove(attempt)


def _wordless(reason: str, request: GenerateRequest, engine: Engine) -> EngineError:
    """Return the error of a reply without words, as of a model that thought them all away.

    Where what is said in the request, or how short its reply is to be, is to blame, another one may
    do better; but it is nothing against the provider, which callers could else take away from all
    others.
    """
    is_short = 0 < request.max_tokens < (engine.max_tokens or request.max_tokens + 1)
    is_of_request = reason == "content_filter" or is_short
    kind = RequestRefused if is_of_request else EngineError
    return kind(f"The language model gave no answer ({reason}).")


def _count_failover(outcome: str) -> None:
    metrics.LLM_FAILOVERS.labels(outcome).inc()
