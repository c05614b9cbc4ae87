"""Examples of what a bridge to Telegram keeps on the bus."""

from __future__ import annotations

from typing import Final

from schemas.event import Event
from schemas.telegram import (
    BotOwned,
    ChatKept,
    UpdateAccepted,
    UpdateAnswering,
    UpdateSettled,
)

TELEGRAM: Final[tuple[Event, ...]] = (
    BotOwned(owner="t1", unsettled=7),
    UpdateAccepted(payload=b'{"update_id":1}', shown=12),
    UpdateAnswering(owner="t1"),
    UpdateSettled(outcome="answered"),
    ChatKept(
        answers="both",
        voice="en_US-joe-medium",
        language="en",
        persona="pilot",
        conversation="c1",
        asked="How deep is the sea?",
    ),
)
