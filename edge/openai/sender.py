"""The way of an answer to the client, and what every answer says in its head."""

from __future__ import annotations

from typing import Final

from starlette.types import Message, Send

from edge.budgets import Left
from edge.clock import now_s
from edge.visit import Visit
from subjects.tokens import new_token

_LEFT: Final = 499
"""Nobody is there to be answered."""


class Sender:
    """Sends, with the headers that every answer has; knows how far the answer is.

    Args:
        send: Takes the answer's messages.

    Attributes:
        id: The request's, which the client is told.
        visit: The caller, once it is inside: it is told what it may have yet.
        is_begun: Whether the head of the answer was sent.
        is_complete: Whether all of it was.
        status: Of the answer; 499 for none.
        first_s: When the first of its body was sent; 0.0 for never.
    """

    def __init__(self, send: Send) -> None:
        self.id = new_token("req_")
        self.visit: Visit | None = None
        self.is_begun = False
        self.is_complete = False
        self.status = _LEFT
        self.first_s = 0.0
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self.is_begun = True
            self.status = message["status"]
            said = headers_of(self.id, self.visit).items()
            more = [(name.encode(), value.encode()) for name, value in said]
            message = {**message, "headers": [*message["headers"], *more]}
        else:
            self.is_complete = not message.get("more_body", False)
            self.first_s = self.first_s or now_s()
        await self._send(message)


def headers_of(request_id: str, visit: Visit | None) -> dict[str, str]:
    """Return what every answer's head says: the request's id, and what the caller has left."""
    headers = {"x-request-id": request_id}
    for name, left in ({} if visit is None else visit.left()).items():
        headers |= _limits(name, left)
    return headers


def _limits(name: str, left: Left) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{name}": str(left.limit),
        f"x-ratelimit-remaining-{name}": str(int(left.remaining)),
        f"x-ratelimit-reset-{name}": f"{left.reset_s:.3f}s",
    }
