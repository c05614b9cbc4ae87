"""What the server keeps: calls, and what it knows of each bot."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.bridges.telegram.bot_api.flood import Flood


@dataclass
class Call:
    """A call that was answered with ok.

    Attributes:
        bot: The bot's number.
        method: What was called.
        given: With which fields; files as bytes.
        at_s: When it came, by :func:`time.monotonic`.
        message: Number of the message that it made.
    """

    bot: int
    method: str
    given: Mapping[str, Any]
    at_s: float
    message: int = 0


@dataclass
class Account:
    """What the server knows of one bot."""

    token: str
    username: str
    flood: Flood = field(default_factory=Flood)
    updates: deque[dict[str, Any]] = field(default_factory=deque)
    webhook: dict[str, str] = field(default_factory=dict)
    poll: asyncio.Event | None = None
    next_message: int = 1000
    deleted: set[int] = field(default_factory=set)
    moved: dict[int, int] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The bot's number."""
        return int(self.token.partition(":")[0])


def attached(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with files where they name files that came beside them."""
    named = {
        name: value.removeprefix("attach://")
        for name, value in given.items()
        if isinstance(value, str) and value.startswith("attach://")
    }
    kept = {name: value for name, value in given.items() if name not in named.values()}
    return {**kept, **{name: given.get(file) for name, file in named.items()}}
