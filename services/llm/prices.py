"""What a reply costs. Pure.

Prices stand in the file of the providers, beside the models that have them: they change by the
month and by the hour, and a list of ours would be wrong without anybody's noticing. A provider that
tells the cost itself is believed; a cost that nobody knows is None, never 0.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

Usd = Annotated[float, Meta(ge=0)]

_MILLION: Final = 1_000_000


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs, in US dollars for a million tokens.

    Fields
        prompt: Of what it is asked.
        reply: Of what it writes.
        cached: Of what it is asked and has in its cache; None: as any other.
    """

    prompt: Usd
    reply: Usd
    cached: Usd | None = None


class Counted(Struct, frozen=True, kw_only=True):
    """What a provider has counted of one reply.

    Fields
        prompt_tokens: Of the request.
        cached_tokens: How many of these were in its cache.
        tokens: Of the reply.
        cost_usd: What it says that it charges; None where it does not say.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    cost_usd: float | None = None


FREE: Final = Price(prompt=0, reply=0)


def cost_usd(counted: Counted, price: Price | None) -> float | None:
    """Return what a reply costs; None where it is not known."""
    if counted.cost_usd is not None:
        return counted.cost_usd
    if price is None:
        return None
    cached = min(counted.cached_tokens, counted.prompt_tokens)
    fresh = counted.prompt_tokens - cached
    for_cached = price.prompt if price.cached is None else price.cached
    charged = fresh * price.prompt + cached * for_cached + counted.tokens * price.reply
    return charged / _MILLION


def typical(price: Price | None) -> float | None:
    """Return what a spoken turn costs at a price, to compare: 1000 tokens asked, 60 written."""
    return cost_usd(Counted(prompt_tokens=1000, tokens=60), price)
