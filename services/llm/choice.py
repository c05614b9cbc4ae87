"""In which order providers are asked for a reply. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from services.llm.breaker import CLOSED, Breaker, state
from services.llm.prices import Price

Tier = Literal["own", "free", "cheap", "standard", "premium"]
"""What a model costs, roughly: ``own`` runs on a machine of ours."""

Preference = Literal["listed", "cheap"]
"""``listed``: as in the file. ``cheap``: what costs least first."""

_TIERS: Final[tuple[Tier, ...]] = ("own", "free", "cheap", "standard", "premium")
_CHEAP_USD: Final = 1.0
_PREMIUM_USD: Final = 10.0
"""For a million tokens of the reply: cheap up to here, premium from here on."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A provider, as far as the choice depends on it.

    Fields
        name: By what it is known.
        models: What it serves, as far as that is known.
        continues: Whether it can be given the beginning of its own answer.
        takes_tools: Whether it takes the functions that the request offers, if there are any.
        tier: What the model costs, roughly, that it is asked for.
        price: What a reply of that costs, to compare; None where it is not known.
        breaker: How it has done lately.
    """

    name: str
    models: frozenset[str] = frozenset()
    continues: bool = False
    takes_tools: bool = True
    tier: Tier = "standard"
    price: float | None = None
    breaker: Breaker = CLOSED


def tier_of(price: Price) -> Tier:
    """Return what a model costs, roughly, of somebody else's."""
    if not price.reply and not price.prompt:
        return "free"
    if price.reply <= _CHEAP_USD:
        return "cheap"
    return "premium" if price.reply >= _PREMIUM_USD else "standard"


def order(
    candidates: Iterable[Candidate],
    *,
    now_s: float,
    model: str = "",
    prefer: Preference = "listed",
    begun: bool = False,
) -> tuple[str, ...]:
    """Return the names of the providers to ask, the first one first.

    Those that are left alone come last: a reply is never refused without having asked anybody. A
    model that is asked for by its name is looked for where it is known to be; where nobody is known
    to have it, all are asked, and the last one's refusal is told. Who refuses functions is asked
    for a reply without them behind all who take them.

    Args:
        candidates: All providers, as they are listed.
        now_s: The time.
        model: What the request asks for; empty for any.
        prefer: What comes first.
        begun: Whether the reply was begun by another one: who can go on with it comes first.
    """
    listed = list(candidates)
    able = [candidate for candidate in listed if not model or model in candidate.models] or listed
    if prefer == "cheap":
        able.sort(key=_cost)
    able.sort(key=lambda candidate: not candidate.takes_tools)
    if begun:
        able.sort(key=lambda candidate: not candidate.continues)
    asked = [candidate for candidate in able if state(candidate.breaker, now_s) != "open"]
    alone = [candidate for candidate in able if state(candidate.breaker, now_s) == "open"]
    alone.sort(key=lambda candidate: candidate.breaker.until_s)
    return tuple(candidate.name for candidate in (*asked, *alone))


def _cost(candidate: Candidate) -> tuple[int, float]:
    unknown = float("inf")
    return _TIERS.index(candidate.tier), unknown if candidate.price is None else candidate.price
