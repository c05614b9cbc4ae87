"""Past responses, which later ones go on from: kept in this process, up to a bound."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec
from msgspec import Struct

from schemas.llm import Message


class Past(Struct, frozen=True, kw_only=True):
    """What is kept of a response.

    Fields
        owner: The key that asked for it; empty where there are none.
        chat: The conversation up to it, without instructions.
        response: The response as it was answered.
        size_bytes: How much of the bound it takes up.
    """

    owner: str
    chat: tuple[Message, ...]
    response: dict[str, Any]
    size_bytes: int


class Remembered:
    """The past responses. One per process.

    Another edge does not have them, nor does this one after a restart: who goes on from one that is
    gone is told so, and sends the conversation again.

    Args:
        limit_bytes: How much is kept.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, Past] = OrderedDict()

    def keep(self, owner: str, chat: tuple[Message, ...], response: dict[str, Any]) -> None:
        """Keep a response, if it is not larger than all that may be kept."""
        size = len(msgspec.json.encode((chat, response)))
        if size > self._limit_bytes:
            return
        self._kept[response["id"]] = Past(
            owner=owner, chat=chat, response=response, size_bytes=size
        )
        self._bytes += size
        while self._bytes > self._limit_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size_bytes

    def find(self, name: str, owner: str) -> Past | None:
        """Return a response of one's own; that of another key is not there."""
        past = self._kept.get(name)
        return past if past is not None and past.owner == owner else None

    def forget(self, name: str, owner: str) -> bool:
        """Forget a response of one's own; return whether it was there."""
        past = self.find(name, owner)
        if past is None:
            return False
        del self._kept[name]
        self._bytes -= past.size_bytes
        return True
