"""LLM worker: a turn's messages in, the reply's words out.

Consumes   job.llm    GenerateRequest, one per turn and revision; SummariseRequest
           dn.cancel  TurnCancelled
           dn.token   TokenDelta, dn.clause ClauseReady: those of a lost worker, from the log
Publishes  dn.token   TokenDelta, joined over at most 30 ms
           dn.clause  ClauseReady, what can be spoken
           dn.done    GenerationDone
           dn.calls   CallsAsked, instead of GenerationDone where functions come in between
           dn.summary SummaryMade, see :mod:`services.llm.summary`
           dn.usage   TokensUsed, one for each provider that was asked
           dn.failure Failure, instead of GenerationDone

A speculative request is answered like any other: whoever delivers the words holds them until the
turn begins. Nothing here has an effect outside the session: functions that the model asks for are
called by others, once the turn has begun.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from schemas.llm import GenerateRequest, GenerationDone, SummariseRequest
from services.llm.asking import Asking
from services.llm.billing import Bill
from services.llm.engine import Piece
from services.llm.providers import Providers
from services.llm.published import NOTHING, read_published
from services.llm.rounds import Publisher, part_of
from services.llm.summary import summarise
from services.llm.writer import Writer
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import ProtocolError
from voicebus.lately import Lately
from voicebus.release import is_released
from voicebus.tracing.context import exemplar
from voicebus.turns import unless_cancelled

JOIN_S: Final = 0.03
"""Tokens are joined over this long: at 100 tokens/s a message each would be mostly envelope."""


async def answer(claim: Claim, providers: Providers, firsts: Lately | None = None) -> None:
    """Generate one turn's reply, or go on with it where another worker was lost.

    Args:
        claim: The turn.
        providers: Who writes.
        firsts: Takes note of how long first tokens took.
    """
    request = claim.request
    if isinstance(request, SummariseRequest):
        await summarise(claim, request, providers)
        return
    if not isinstance(request, GenerateRequest):
        raise ProtocolError(f"not a request to generate: {type(request).__name__}")
    is_begun = claim.is_takeover or request.resumed
    published = await read_published(claim) if is_begun else NOTHING
    if published.is_done:
        claim.took_over("done")
        return
    part = part_of(claim, request, published)
    writer = Writer(part, request, published)
    asking = Asking(providers, request, published, writer, claim.took_over)
    bill = Bill(claim, request, asking)
    try:
        await unless_cancelled(claim, _generate(part, request, writer, asking, bill))
    finally:
        await bill.tell()
        if firsts is not None and writer.ttft_ms:
            firsts.note(writer.ttft_ms)
    if not writer.is_done and writer.made:
        unheard = request.speculative and await is_released(claim) is False
        reason = "speculative" if unheard else "interrupted"
        metrics.LLM_WASTED_TOKENS.labels(reason).inc(writer.made)


async def _generate(
    part: Publisher, request: GenerateRequest, writer: Writer, asking: Asking, bill: Bill
) -> None:
    begun_s = time.perf_counter()
    last = Piece(text="")
    stream = asking.pieces()
    async with (
        aclosing(stream),
        aclosing(_joined(stream, writer.speak)) as batches,
    ):
        async for joined in batches:
            last = joined[-1]
            writer.ttft_ms = writer.ttft_ms or (time.perf_counter() - begun_s) * 1000
            await writer.write()
    duration_s, ttft_s = time.perf_counter() - begun_s, writer.ttft_ms / 1000
    provider, model = asking.answered.provider, asking.answered.model
    metrics.LLM_TTFT_SECONDS.labels(provider.name, model).observe(ttft_s, exemplar())
    metrics.LLM_SECONDS.labels(provider.name, model).observe(duration_s, exemplar())
    made = last.tokens or writer.made
    if made > 1 and duration_s > ttft_s:
        pace = (made - 1) / (duration_s - ttft_s)
        metrics.LLM_TOKENS_PER_SECOND.labels(provider.name, model).observe(pace)
    # Before the end is told: who has asked may end the session with it.
    await bill.tell()
    await part.publish(
        GenerationDone(
            turn=request.turn,
            revision=request.revision,
            text=writer.text.strip(),
            model=model,
            ttft_ms=writer.ttft_ms,
            duration_ms=duration_s * 1000,
            tokens=writer.pieces - writer.made + made,
            finish_reason=last.finish_reason,
            synthetic=provider.engine.synthetic,
            prompt_tokens=last.prompt_tokens,
            provider=provider.name,
            failovers=asking.failovers,
        )
    )
    writer.is_done = True


async def _joined(
    stream: AsyncIterator[Piece], at_once: Callable[[Piece], Awaitable[None]]
) -> AsyncGenerator[list[Piece], None]:
    """Yield what comes within ``JOIN_S`` together; the first piece at once.

    Args:
        stream: The pieces.
        at_once: Gets each piece as it comes.
    """
    queue: asyncio.Queue[Piece | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for piece in stream:
                await at_once(piece)
                queue.put_nowait(piece)
        finally:
            queue.put_nowait(None)

    pumping = asyncio.create_task(pump())
    try:
        wait_s = 0.0
        while (first := await queue.get()) is not None:
            gathered = [first]
            if wait_s:
                await asyncio.sleep(wait_s)
            while not queue.empty():
                piece = queue.get_nowait()
                if piece is None:
                    yield gathered
                    await pumping
                    return
                gathered.append(piece)
            yield gathered
            wait_s = JOIN_S
        await pumping
    finally:
        if not pumping.done():
            pumping.cancel()
            await asyncio.wait((pumping,))
