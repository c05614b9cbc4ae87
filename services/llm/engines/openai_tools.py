"""Whether models take functions, as far as it was found out. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from schemas.llm import Tool

LOOK: Final = Tool(
    name="look",
    description="Looks.",
    # Some refuse functions that take nothing, and take others.
    parameters='{"type":"object","properties":{"at":{"type":"string"}},"required":["at"]}',
)
"""What a model is offered to find it out."""

KNOWN_S: Final = 600.0
"""For so long it is believed: a server may be started anew with functions, or without."""

_MOST_MODELS: Final = 1000
"""Of which it is remembered: callers may give any name."""


class Verdicts:
    """Remembers which models take functions.

    Args:
        clock: The time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, tuple[bool, float]] = {}

    def takes(self, model: str) -> bool:
        """Say whether a model takes functions; any does of which nothing is known."""
        takes, until_s = self._known.get(model, (True, 0.0))
        return takes or self._clock() >= until_s

    def is_open(self, model: str) -> bool:
        """Say whether it is to be found out."""
        now_s = self._clock()
        self._known = {name: known for name, known in self._known.items() if now_s < known[1]}
        return model not in self._known and len(self._known) < _MOST_MODELS

    def note(self, model: str, *, takes: bool) -> None:
        """Take note of what was found out."""
        self._known[model] = (takes, self._clock() + KNOWN_S)
