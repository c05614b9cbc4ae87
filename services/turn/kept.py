"""What is kept of a conversation, and what it says about a session. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from schemas.conversation import ConversationKept, Exchange
from schemas.llm import SummaryMade
from schemas.settings import SessionSettings

FOLLOWING: Final = (
    "persona",
    "instructions",
    "language",
    "languages",
    "vocabulary",
    "voice",
    "speed",
    "filler",
)
"""The settings that follow a conversation. Others are about one way of talking: a telephone that
hangs up after silence says nothing about a page."""

MOST_OWNERS: Final = 32
MOST_FACTS: Final = 50

_DEFAULTS: Final = SessionSettings()

Number = tuple[str, int]
"""By which a turn of a conversation is known: its session and its number there."""


def number_of(exchange: Exchange) -> Number:
    """Return the number of a turn."""
    return (exchange.session, exchange.turn)


def merged(kept: SessionSettings, asked: SessionSettings) -> SessionSettings:
    """Return how a session is: as it asks, and where it says nothing, as the conversation is."""
    if asked.persona and asked.persona != kept.persona:
        # Somebody else answers from here on: only what is about the user still counts.
        kept = SessionSettings(language=kept.language, languages=kept.languages)
    unsaid = [name for name in FOLLOWING if getattr(asked, name) == getattr(_DEFAULTS, name)]
    return replace(asked, **{name: getattr(kept, name) for name in unsaid})


def under(settings: SessionSettings, persona: SessionSettings) -> SessionSettings:
    """Return how a session is: where its settings say nothing, as the persona has it."""
    unsaid = [
        name
        for name in SessionSettings.__struct_fields__
        if name != "persona" and getattr(settings, name) == getattr(_DEFAULTS, name)
    ]
    return replace(settings, **{name: getattr(persona, name) for name in unsaid})


def following(settings: SessionSettings) -> SessionSettings:
    """Return what of a session's settings follows its conversation."""
    return SessionSettings(**{name: getattr(settings, name) for name in FOLLOWING})


def appended(
    kept: ConversationKept, said: Iterable[Exchange], most: int, max_chars: int
) -> ConversationKept:
    """Return a conversation with turns that it does not have yet, and without its oldest.

    Args:
        kept: What there is.
        said: Turns, oldest first.
        most: How many turns are kept.
        max_chars: How many characters; the last turn is kept, however long.
    """
    known = {number_of(exchange) for exchange in kept.exchanges}
    news = [exchange for exchange in said if number_of(exchange) not in known]
    whole = [*kept.exchanges, *news][-most:]
    chars = sum(map(_chars, whole))
    first = 0
    while chars > max_chars and first < len(whole) - 1:
        chars -= _chars(whole[first])
        first += 1
    is_cut = kept.is_cut or len(whole) - first < len(kept.exchanges) + len(news)
    return replace(kept, exchanges=tuple(whole[first:]), is_cut=is_cut)


def remembering(kept: ConversationKept, facts: Iterable[str]) -> ConversationKept:
    """Return a conversation with facts that it does not have yet, and without its oldest."""
    whole = dict.fromkeys((*kept.facts, *facts))
    return replace(kept, facts=tuple(whole)[-MOST_FACTS:])


def summed_up(kept: ConversationKept, made: Sequence[SummaryMade]) -> ConversationKept:
    """Return a conversation with the newest of its summaries."""
    return replace(kept, summary=made[-1].text) if made else kept


def unkept(kept: ConversationKept, session: str, said: Sequence[Exchange]) -> list[Exchange]:
    """Return what of a session's turns, as its log tells them, is still to be kept.

    Its turns end in their order, so none is missing before one that is there. Where none is there
    and some were dropped, those may have been among them: nothing is kept twice.
    """
    turns = [exchange.turn for exchange in kept.exchanges if exchange.session == session]
    if not turns and kept.is_cut:
        return []
    return [exchange for exchange in said if exchange.turn > max(turns, default=0)]


def from_elsewhere(kept: ConversationKept, session: str) -> dict[int, list[Exchange]]:
    """Return the turns of other sessions, by the turn of this session behind which they ended."""
    found: defaultdict[int, list[Exchange]] = defaultdict(list)
    turn = 0
    for exchange in kept.exchanges:
        if exchange.session == session:
            turn = exchange.turn
        else:
            found[turn].append(exchange)
    return dict(found)


def _chars(exchange: Exchange) -> int:
    return len(exchange.user) + len(exchange.assistant)
