"""What a client did wrong, as the ``error`` event tells it."""

from __future__ import annotations

from voicebus.errors import ProtocolError


class BadEvent(ProtocolError):
    """Raised when a client's event cannot be done; the session goes on.

    Args:
        message: A sentence for the client.
        reason: The ``code`` that it is told.
        param: Which field it was, as a path: ``session.audio.output.voice``; empty for none.
        event_id: The event's id, where the client gave one and it could be read.
    """

    def __init__(
        self, message: str, reason: str = "invalid_value", param: str = "", event_id: str = ""
    ) -> None:
        super().__init__(message, reason)
        self.param = param
        self.event_id = event_id
