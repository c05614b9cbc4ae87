"""What the language model is told of a call that came to no good end."""

from __future__ import annotations

from typing import Final

from schemas.tool import ToolDone, ToolRequest
from voicebus.errors import VoicebusError

ERROR: Final = "error: "
"""So begins what it is told."""

_ONCE: Final = "Do not repeat it unasked."


def failed(reason: str) -> str:
    """Return what is told of a call that was not made, or failed."""
    return f"{ERROR}{reason}"


def missing(reason: str, *, repeatable: bool) -> str:
    """Return what is told of a call that was sent, and of which nobody knows what came of it.

    Args:
        reason: Why nobody does.
        repeatable: Whether it may be made twice without harm.
    """
    is_known = f"{reason}; it is not known whether this was done. {_ONCE}"
    return failed(reason if repeatable else is_known)


def unread(reason: str, *, repeatable: bool) -> str:
    """Return what is told of a call that was made, and whose result cannot be passed on.

    Args:
        reason: Why it cannot.
        repeatable: Whether it may be made twice without harm.
    """
    return failed(reason if repeatable else f"{reason}. {_ONCE}")


def undone(request: ToolRequest, error: VoicebusError) -> ToolDone:
    """Return the result of a call whose job is given up, before a worker had it or later."""
    return ToolDone(
        round=request.round,
        content=missing(str(error), repeatable=request.repeatable),
        failed=True,
        turn=request.turn,
        revision=request.revision,
        seq=request.seq,
    )
