"""How the callers of a load behave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Profile(Struct, frozen=True, kw_only=True):
    """How a caller behaves.

    Fields
        told: What it is, for people.
        speaks: Whether it says anything at all.
        listens: Whether it hears an answer to its end before it says more.
        pause_s: Shortest and longest silence before it speaks again.
        turns: After how many it hangs up and calls anew; 0 for never.
    """

    told: str
    speaks: bool = True
    listens: bool = True
    pause_s: tuple[float, float] = (0.0, 0.0)
    turns: int = 0


PROFILES: Final[Mapping[str, Profile]] = {
    "talk": Profile(told="people: they listen, think for 1 to 3 s and go on", pause_s=(1.0, 3.0)),
    "rush": Profile(told="each speaks again as soon as its answer is there", listens=False),
    "churn": Profile(told="one question in each session, then another session", turns=1),
    "idle": Profile(told="connected and silent", speaks=False),
}
