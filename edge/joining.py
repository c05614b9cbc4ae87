"""A session's way into its conversation, and its client's link codes."""

from __future__ import annotations

from typing import Any

from edge import wire
from edge.opening import Opening
from schemas.conversation import LinkMade
from schemas.event import Event
from schemas.session import ForgetAsked
from voicebus.conversations import Codes, joined
from voicebus.errors import VoicebusError
from voicebus.sessions.session import Session


async def converse(session: Session, begun: Opening, wait_s: float) -> tuple[Opening, list[Event]]:
    """Ask for a worker that leads the session, and wait until it is in its conversation.

    Args:
        session: The session.
        begun: How it is to be.
        wait_s: How long to wait, if it asks for a conversation.

    Returns:
        How it is, and what else the workers have said meanwhile.

    Raises:
        ProtocolError: It may not join.
        BusError: Nobody takes it in time, or the bus cannot serve it.
    """
    await session.converse(begun.request())
    early: list[Event] = []
    if begun.is_awaited:
        try:
            begun = begun.joined(await joined(session, wait_s, early.append))
        except VoicebusError as err:
            session.close_reason = err.code
            raise
    return begun, early


def code_told(codes: Codes, event: Event) -> list[dict[str, Any]]:
    """Return what the client is told of a code that was made for it."""
    code = codes.made(event) if isinstance(event, LinkMade) else None
    if code is None:
        return []
    return [{"type": "link_code", "code": code.text, "expires_s": code.expires_s}]


async def ask(asked: wire.Link | wire.Forget, session: Session, codes: Codes) -> None:
    """Ask the turn worker for what the client wants of its conversation.

    Raises:
        BusUnavailable: The connection is gone, and too much waits for the next one.
    """
    match asked:
        case wire.Link():
            await codes.make()
        case wire.Forget():
            await session.tell(ForgetAsked())
