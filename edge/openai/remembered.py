"""Past responses, which later ones go on from: kept in this process, up to a bound.

Where there is no room for all, the owner of the most loses its oldest: one that asks very often
takes nothing from the others.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
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
        self._bytes: Counter[str] = Counter()
        self._kept: dict[str, OrderedDict[str, Past]] = {}

    def keep(self, owner: str, chat: tuple[Message, ...], response: dict[str, Any]) -> None:
        """Keep a response, if it is not larger than all that may be kept."""
        size = len(msgspec.json.encode((chat, response)))
        if size > self._limit_bytes:
            return
        self._kept.setdefault(owner, OrderedDict())[response["id"]] = Past(
            owner=owner, chat=chat, response=response, size_bytes=size
        )
        self._bytes[owner] += size
        while self._bytes.total() > self._limit_bytes:
            ((most, _),) = self._bytes.most_common(1)
            self._drop(next(iter(self._kept[most].values())))

    def find(self, name: str, owner: str) -> Past | None:
        """Return a response of one's own; that of another key is not there."""
        own = self._kept.get(owner)
        return None if own is None else own.get(name)

    def forget(self, name: str, owner: str) -> bool:
        """Forget a response of one's own; return whether it was there."""
        past = self.find(name, owner)
        if past is None:
            return False
        self._drop(past)
        return True

    def _drop(self, past: Past) -> None:
        own = self._kept[past.owner]
        del own[past.response["id"]]
        self._bytes[past.owner] -= past.size_bytes
        if not own:
            del self._kept[past.owner], self._bytes[past.owner]
