"""What the languages share: rules that are applied in their order, and pieces of patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

ALONE = r"(?<![\w.,:/])"
"""In front of a number that begins here: it is no part of a word, a number or an address."""

OVER = r"(?![\w])(?![.,:/][0-9])"
"""Behind a number that ends here."""


def rule(pattern: str, replacement: str | Callable[[re.Match[str]], str], flags: int = 0) -> Rule:
    """Make a rule."""
    return re.compile(pattern, flags), replacement


def applied(rules: tuple[Rule, ...], text: str) -> str:
    """Return the text with all rules applied, one after the other."""
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


def any_of(words: Iterable[str]) -> str:
    """Return a pattern for any of the words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def full_stop(match: re.Match[str]) -> str:
    """Return the full stop that an abbreviation's dot is as well, where a sentence ends with it."""
    rest = match.string[match.end() :].lstrip("\"'”’»)")
    ends = not rest or (rest[0].isspace() and (rest.lstrip()[:1].isupper() or not rest.strip()))
    return "." if match.group().endswith(".") and ends else ""


def stop_of(match: re.Match[str], last_words: Collection[str]) -> str:
    """Return the full stop of an abbreviation, which ends a sentence only if it is one of these.

    At the end of the text it ends one in any case.
    """
    at_end = not match.string[match.end() :].strip()
    return full_stop(match) if at_end or match.group() in last_words else ""
