"""Whether what a worker makes for a turn may be heard: speculative work waits for the turn."""

from __future__ import annotations

from typing import Final

import structlog

from schemas.codec import decode
from schemas.event import Event
from schemas.turn import TurnStarted
from voicebus.claim import Claim
from voicebus.errors import BusError

log: Final = structlog.get_logger()


async def is_released(claim: Claim) -> bool | None:
    """Say whether the log holds the beginning of the claim's turn and revision.

    Returns:
        None when it cannot be read: that is no reason to end the work.
    """
    try:
        recorded = claim.past(TurnStarted)
        return any([releases(decode(m.payload), claim.request) async for m in recorded])
    except BusError as error:
        log.warning("log.unreadable", error=str(error))
        return None


def releases(event: Event, ours: Event) -> bool:
    """Say whether ``event`` lets the results of ``ours`` be heard."""
    return isinstance(event, TurnStarted) and (event.turn, event.revision) == (
        ours.turn,
        ours.revision,
    )
