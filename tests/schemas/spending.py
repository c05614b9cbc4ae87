"""Examples of the messages about what costs money, and what is made beside a turn."""

from __future__ import annotations

from typing import Final

from schemas.event import Event
from schemas.llm import Message, SummariseRequest, SummaryMade
from schemas.usage import Rate, TokensUsed

SPENDING: Final[tuple[Event, ...]] = (
    TokensUsed(
        provider="cloud",
        model="small",
        outcome="failed",
        error="engine_timeout",
        prompt_tokens=120,
        cached_tokens=100,
        tokens=2,
        estimated=True,
        cost_usd=0.00025,
        charged=True,
        rate=Rate(prompt_usd=2.0, cached_usd=0.5, reply_usd=8.0),
        ttft_ms=42.5,
        duration_ms=100.25,
        synthetic=True,
        epoch=9,
        turn=1,
    ),
    SummariseRequest(
        messages=(Message(role="user", content="hello"),),
        summary="They greeted.",
        through=3,
        model="smollm2",
    ),
    SummaryMade(text="They greeted.", through=3, error="engine", model="smollm2", epoch=9),
)
