"""Numbers in words, by the rules of Unicode's CLDR (rule-based number formats)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from unicode_rbnf import RbnfEngine

_LONGEST: Final = 15
"""Digits of the longest number that is read as one; longer ones are read digit by digit."""


@lru_cache(maxsize=8)
def _engine(language: str) -> RbnfEngine:
    return RbnfEngine.for_language(language)


@lru_cache(maxsize=4096)
def spelt(digits: str, language: str, rules: str) -> str:
    """Return a number in words.

    Args:
        digits: ASCII digits, without a sign.
        language: ``en`` or ``ru``.
        rules: CLDR's name of the form, such as ``spellout-cardinal``.
    """
    if len(digits) > _LONGEST:
        return one_by_one(digits, language)
    return _engine(language).format_number(int(digits), ruleset_names=[rules]).text


def one_by_one(digits: str, language: str) -> str:
    """Return the digits in words, one after the other."""
    return " ".join(spelt(digit, language, "spellout-numbering") for digit in digits)
