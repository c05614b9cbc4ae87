"""A message that is sent twice counts once: in the store, and for those who listen.

The first of two may have been lost with a connection, or only its acknowledgement; its publisher
cannot know, and sends it again. Both carry the same id.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

from subjects.tokens import new_token

MESSAGE_ID: Final = "Nats-Msg-Id"
"""Header by which the store knows a message that it has.

Source: https://docs.nats.io/using-nats/developer/develop_jetstream/model_deep_dive
"""

LIVE_ID: Final = "Voicebus-Live-Id"
"""Header with what may be told of the id of a message that the store does not have yet: see
:mod:`voicebus.bus.recorder`."""

_SECRET_CHARACTERS: Final = 8
_DRAWN_BYTES: Final = 2048
_MOST_PUBLISHERS: Final = 1024
_MOST_LATE: Final = 1024
_MOST_DIGITS: Final = 18


class MessageIds:
    """Gives ids: the publisher's name, the number of the message, and what nobody can guess.

    The number grows with each message. The last part is for the store, which takes an id once on
    all subjects of a stream: whoever could tell the next one would have it refused.
    """

    def __init__(self) -> None:
        self._publisher = new_token("")
        self._secrets = _secrets()
        self._count = 0

    def next(self) -> str:
        """Return the id of the message that is published next."""
        self._count += 1
        return f"{self._publisher}.{self._count}.{next(self._secrets)}"


def told(message_id: str) -> str:
    """Return of an id what others may know before the store has it: whose it is, and its number."""
    return message_id.rpartition(".")[0]


class Heard:
    """Tells copies from what is new, on one subscription.

    A server delivers what one publisher sends in the order in which it was sent, and a publisher
    sends again in the order of before: so what has a lower number than something that was heard
    was heard, too, or was lost before we listened.
    """

    def __init__(self) -> None:
        self._span: dict[_Publisher, tuple[int, int]] = {}  # the first number heard, the newest
        self._late: dict[tuple[_Publisher, int], None] = {}

    def is_copy(self, message_id: str, subject: str) -> bool:
        """Return whether a message was heard before, and take note of it.

        A publisher's kinds of messages count apart: who may publish one kind and gives itself
        another's name has only that kind of the other taken for copies.
        """
        number = _number(message_id)
        publisher = _publisher(message_id, subject)
        first, newest = self._span.get(publisher, (number, 0))
        if not number or number <= newest:
            return bool(number)
        self._span[publisher] = (first, number)
        if len(self._span) > _MOST_PUBLISHERS:
            del self._span[next(iter(self._span))]
        return False

    def is_late(self, message_id: str, subject: str) -> bool:
        """Return whether a message was sent before we listened, and is here for the first time.

        Args:
            message_id: That of a copy for the store, which others heard when it was sent.
            subject: Its subject.
        """
        number = _number(message_id)
        publisher = _publisher(message_id, subject)
        known = (publisher, number)
        first, _ = self._span.get(publisher, (number + 1, 0))
        if not number or number >= first or known in self._late:
            return False
        self._late[known] = None
        if len(self._late) > _MOST_LATE:
            del self._late[next(iter(self._late))]
        return True


_Publisher = tuple[str, str]
"""Its name, and a kind of messages."""


def _publisher(message_id: str, subject: str) -> _Publisher:
    return message_id.partition(".")[0], _kind(subject)


def _number(message_id: str) -> int:
    """Return the number of an id; 0 if it is none of ours."""
    number = message_id.partition(".")[2].partition(".")[0]
    return int(number) if number.isdecimal() and len(number) <= _MOST_DIGITS else 0


def _kind(subject: str) -> str:
    """Return the token by which permissions to publish differ."""
    tokens = subject.split(".", 6)
    return tokens[5] if len(tokens) > 5 and tokens[2] in ("up", "dn") else ".".join(tokens[2:4])


def _secrets() -> Iterator[str]:
    while True:  # many at once: to ask the kernel for each would take longer than all the rest
        drawn = secrets.token_hex(_DRAWN_BYTES)
        for first in range(0, len(drawn), _SECRET_CHARACTERS):
            yield drawn[first : first + _SECRET_CHARACTERS]
