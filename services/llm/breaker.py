"""Which providers are asked and which are left alone for a while. Pure: its clock is the caller's.

A provider that failed some times in a row is left alone, for longer after each further failure;
then one request tries it, and its outcome decides.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

State = Literal["closed", "open", "due"]
"""``closed``: it is asked. ``open``: it is left alone. ``due``: one request may try it."""


class Rules(Struct, frozen=True, kw_only=True):
    """When a provider is left alone, and for how long.

    Fields
        failures: So many in a row.
        open_s: For so long at first; each further failure doubles it.
        most_open_s: And not for longer, unless the provider itself asks for it.
        most_asked_s: For no longer than this, whatever it asks for: it may be wrong, too.
    """

    failures: int = 3
    open_s: float = 5.0
    most_open_s: float = 120.0
    most_asked_s: float = 900.0


class Breaker(Struct, frozen=True, kw_only=True):
    """What is known of one provider.

    Fields
        failures: How often it failed in a row.
        until_s: Left alone until then.
        is_tried: Whether a request is trying it just now.
    """

    failures: int = 0
    until_s: float = 0.0
    is_tried: bool = False


CLOSED: Final = Breaker()

_MOST_DOUBLINGS: Final = 32


def state(breaker: Breaker, now_s: float) -> State:
    """Return whether a provider is asked."""
    if not breaker.until_s:
        return "closed"
    return "open" if breaker.is_tried or now_s < breaker.until_s else "due"


def asked(breaker: Breaker, now_s: float) -> Breaker:
    """Return what is known once a request is sent: of those that are due, only one is."""
    return replace(breaker, is_tried=True) if state(breaker, now_s) == "due" else breaker


def left(breaker: Breaker) -> Breaker:
    """Return what is known when nobody waited for the answer: nothing new."""
    return replace(breaker, is_tried=False)


def failed(breaker: Breaker, now_s: float, rules: Rules, pause_s: float = 0.0) -> Breaker:
    """Return what is known after a failure.

    Args:
        breaker: What was known before.
        now_s: The time.
        rules: When it is left alone.
        pause_s: For how long the provider itself asks to be left alone; 0 if it does not.
    """
    failures = breaker.failures + 1
    until_s = 0.0
    if failures >= rules.failures:
        doublings = min(failures - rules.failures, _MOST_DOUBLINGS)
        until_s = now_s + min(rules.open_s * 2**doublings, rules.most_open_s)
    if pause_s > 0:
        until_s = max(until_s, now_s + min(pause_s, rules.most_asked_s))
    return Breaker(failures=failures, until_s=max(until_s, breaker.until_s))
