"""What a reply has used, told on the bus: one message for each provider that was asked."""

from __future__ import annotations

from typing import Final

import structlog
from msgspec.structs import replace

from schemas.llm import GenerateRequest
from schemas.usage import Rate, TokensUsed
from services.llm import prices
from services.llm.asking import Asking
from services.llm.attempt import Attempt
from services.llm.prices import Counted, Price
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import BusError, EngineTimeout

log: Final = structlog.get_logger()

_CHARACTERS_PER_TOKEN: Final = 4
"""Of English text, roughly: https://platform.openai.com/tokenizer"""


class Bill:
    """Tells each attempt at one reply once, when it is over.

    Args:
        claim: The turn.
        request: What was asked.
        asking: Who was asked.
    """

    def __init__(self, claim: Claim, request: GenerateRequest, asking: Asking) -> None:
        self._claim = claim
        self._request = request
        self._asking = asking
        self._told: set[int] = set()

    async def tell(self) -> None:
        """Publish what is over and was not told yet.

        What cannot be published is lost to the log, and counted all the same: a reply does not
        fail because of what it costs.
        """
        for number, attempt in enumerate(self._asking.attempts):
            if number in self._told or not attempt.outcome:
                continue
            self._told.add(number)
            if not attempt.is_sent:
                continue
            used = usage(attempt, self._request, number)
            _count(used)
            try:
                await self._claim.publish(used)
            except BusError as err:
                log.warning("usage.unpublished", provider=used.provider, reason=str(err))


def usage(attempt: Attempt, request: GenerateRequest, number: int) -> TokensUsed:
    """Return what one attempt has used.

    Args:
        attempt: It is over.
        request: What was asked.
        number: How many there were before.
    """
    counted = _completed(attempt, request)
    price = attempt.provider.price_of(attempt.model)
    charged = counted.cost_usd is not None
    return TokensUsed(
        turn=request.turn,
        revision=request.revision,
        seq=number,
        provider=attempt.provider.name,
        model=attempt.model,
        outcome=attempt.outcome,
        error=attempt.error,
        prompt_tokens=counted.prompt_tokens,
        cached_tokens=counted.cached_tokens,
        tokens=counted.tokens,
        estimated=counted != attempt.counted,
        cost_usd=prices.cost_usd(counted, price),
        charged=charged,
        rate=None if price is None or charged else _rate(price),
        ttft_ms=attempt.ttft_s * 1000,
        duration_ms=attempt.duration_s * 1000,
        synthetic=attempt.provider.engine.synthetic,
    )


def _completed(attempt: Attempt, request: GenerateRequest) -> Counted:
    """Return what was counted, and estimates of the rest; who refuses does no work."""
    told = attempt.counted
    is_refused = attempt.outcome == "failed" and attempt.error != EngineTimeout.code
    if is_refused and not attempt.made:
        return told
    characters = sum(len(message.content) for message in request.messages)
    return replace(
        told,
        prompt_tokens=told.prompt_tokens or -(-characters // _CHARACTERS_PER_TOKEN),
        tokens=told.tokens or attempt.made,
    )


def _rate(price: Price) -> Rate:
    cached = price.prompt if price.cached is None else price.cached
    return Rate(prompt_usd=price.prompt, cached_usd=cached, reply_usd=price.reply)


def _count(used: TokensUsed) -> None:
    labels = (used.provider, used.model)
    metrics.LLM_PROMPT_TOKENS.labels(*labels).inc(used.prompt_tokens)
    metrics.LLM_TOKENS.labels(*labels).inc(used.tokens)
    if used.cost_usd is None:
        metrics.LLM_UNPRICED.labels(*labels).inc()
    else:
        metrics.LLM_COST_USD.labels(*labels).inc(used.cost_usd)
