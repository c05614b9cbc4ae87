"""What a reply costs."""

from __future__ import annotations

import pytest

from services.llm.prices import FREE, Counted, Price, cost_usd, typical

PRICE = Price(prompt=2.0, reply=8.0, cached=0.5)


def test_what_was_in_the_cache_has_its_own_price() -> None:
    """Prices are for a million tokens."""
    counted = Counted(prompt_tokens=1_000_000, cached_tokens=400_000, tokens=100_000)

    assert cost_usd(counted, PRICE) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 8)
    assert cost_usd(counted, Price(prompt=2.0, reply=8.0)) == pytest.approx(2 + 0.8)


def test_a_provider_that_says_what_it_charges_is_believed() -> None:
    """It knows about peak hours and discounts."""
    assert cost_usd(Counted(prompt_tokens=5, cost_usd=0.25), PRICE) == 0.25


def test_an_unknown_price_is_not_nothing() -> None:
    """What nobody knows is not added up as if it were free."""
    assert cost_usd(Counted(tokens=5), None) is None
    assert cost_usd(Counted(tokens=5), FREE) == 0.0
    assert typical(None) is None


def test_more_cached_than_asked_is_no_credit() -> None:
    """A server that counts nonsense does not pay us."""
    assert cost_usd(Counted(prompt_tokens=1, cached_tokens=9), PRICE) == pytest.approx(0.5e-6)
