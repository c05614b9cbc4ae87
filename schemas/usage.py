"""What was used of models that are paid for by use. Append-only: nothing is ever corrected."""

from __future__ import annotations

from msgspec import Struct

from schemas.event import Event


class Rate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model cost at that time, in US dollars for a million tokens.

    Fields
        prompt_usd: Of the request.
        cached_usd: Of what of the request was in the model's cache.
        reply_usd: Of the reply.
    """

    prompt_usd: float = 0.0
    cached_usd: float = 0.0
    reply_usd: float = 0.0


class TokensUsed(Event, frozen=True, kw_only=True, tag="usage.tokens"):
    """A provider was asked for a reply: one message for each request, whatever came of it.

    A turn whose provider fails, in which two are asked, or whose reply waits for functions in
    between has several; ``seq`` counts those of one job of one worker.

    Fields
        provider: Who was asked, by the name that the worker has for it.
        model: What for.
        outcome: ``answered``, ``failed`` or ``left`` (nobody waited for it any more: the caller
            spoke, or another one was faster).
        error: Code of the error of one that failed.
        prompt_tokens: Of the request.
        cached_tokens: How many of these were in the model's cache.
        tokens: Of the reply.
        estimated: True where the provider has not counted all of it, as for a reply that was left:
            what is missing is, of the reply, the pieces that it streamed, and of the request a
            quarter of its characters.
        cost_usd: What it costs, in US dollars; None where nobody knows.
        charged: True where the provider itself said what it costs.
        rate: The prices that the cost was made of; None where it was not.
        ttft_ms: Until its first token; 0 where there was none.
        duration_ms: Until its end.
        synthetic: True when no real model was asked.
    """

    provider: str
    model: str
    outcome: str
    error: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    estimated: bool = False
    cost_usd: float | None = None
    charged: bool = False
    rate: Rate | None = None
    ttft_ms: float = 0.0
    duration_ms: float = 0.0
    synthetic: bool = False
