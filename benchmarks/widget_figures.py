"""What is made of the captions that visitors of a page saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar

_LIMIT_MS: Final = 100.0
_LIMIT_BYTES: Final = 15_000.0
_FEWEST: Final = 5
_MOST_STOLEN: Final = 0.02


class Caption(Struct, frozen=True, kw_only=True):
    """A caption.

    Fields
        visit: Which visitor saw it, from 1.
        number: Which one of that visit, from 1.
        shown_ms: From its partial being on the bus to the frame in which it is seen, at most.
    """

    visit: int
    number: int
    shown_ms: float


class Visit(Struct, frozen=True, kw_only=True):
    """A visitor who speaks to a widget.

    Fields
        visit: Which one, from 1.
        captions: What was seen.
        unlike: Captions and partials of which there was not the other, or another text.
    """

    visit: int
    captions: tuple[Caption, ...]
    unlike: int


def compared(
    visit: int, seen: Sequence[tuple[str, float]], heard: Sequence[tuple[str, float]]
) -> Visit:
    """Put what was seen beside what was on the bus: texts, and when, in ms of one clock.

    Args:
        visit: Which visit.
        seen: Captions, in their order.
        heard: Partials, in theirs.
    """
    pairs = list(zip(seen, heard, strict=False))
    same = [(shown, sent) for (text, shown), (said, sent) in pairs if text == said]
    return Visit(
        visit=visit,
        captions=tuple(
            Caption(visit=visit, number=number, shown_ms=shown - sent)
            for number, (shown, sent) in enumerate(same, 1)
        ),
        unlike=max(len(seen), len(heard)) - len(same),
    )


def figures(visits: Sequence[Visit], page_bytes: int, seed: int) -> dict[str, float]:
    """Return what was found.

    Args:
        visits: Those with captions count.
        page_bytes: Scripts of a page, as they are sent.
        seed: Of the intervals.
    """
    found: dict[str, float] = {}
    shown_ms = [one.shown_ms for visit in visits for one in visit.captions]
    if shown_ms:
        firsts = [visit.captions[0].shown_ms for visit in visits if visit.captions]
        middle = stats.median(shown_ms, seed)
        found = {
            "caption_first_p50_ms": stats.percentile(firsts, 50),
            "caption_first_max_ms": max(firsts),
            "caption_p50_ms": middle.value,
            "caption_p50_ms_ci_low": middle.low,
            "caption_p50_ms_ci_high": middle.high,
            "caption_max_ms": max(shown_ms),
        }
    return {**found, "captions_count": len(shown_ms), "widget_scripts_bytes": page_bytes}


def bars(found: dict[str, float]) -> tuple[Bar, ...]:
    """Return what must hold: the first caption of every visit, not only of most."""
    limits = {
        "caption_first_max_ms": _LIMIT_MS,
        "caption_p50_ms": _LIMIT_MS,
        "widget_scripts_bytes": _LIMIT_BYTES,
    }
    return tuple(
        Bar(name=n, value=found[n], limit=limit, better="lower", holds=found[n] <= limit)
        for n, limit in limits.items()
        if n in found
    )


def void_reasons(visits: Sequence[Visit], stolen_ratio: float) -> tuple[str, ...]:
    """Return why a run decides nothing; empty if it does."""
    reasons = []
    if stolen_ratio > _MOST_STOLEN:
        reasons.append("others have used this machine")
    for one in visits:
        if len(one.captions) < _FEWEST:
            reasons.append(f"visit {one.visit}: fewer than {_FEWEST} captions")
        if one.unlike:
            reasons.append(f"visit {one.visit}: {one.unlike} captions are not what was on the bus")
        if any(caption.shown_ms < 0 for caption in one.captions):
            reasons.append(f"visit {one.visit}: the clocks of page and benchmark differ")
    return tuple(reasons)
