"""What was chosen in each chat, kept on the bus: it outlives every process."""

from __future__ import annotations

from typing import Final

from schemas.codec import decode
from schemas.telegram import ChatKept
from subjects.catalog import CATALOG
from subjects.telegram import chat_subject
from voicebus.bus.client import Bus
from voicebus.errors import Fenced

_STREAM: Final = CATALOG[ChatKept].stream
_CACHED: Final = 4096

Room = tuple[int, int]
"""A chat's number, and that of the topic in it; 0 for a chat without topics."""


class Chats:
    """The chats of one bot. Used by the process that owns the bot, and by no other.

    Args:
        bus: The connection.
        bot: The bot's number.
    """

    def __init__(self, bus: Bus, bot: int) -> None:
        self._bus = bus
        self._bot = bot
        self._known: dict[Room, tuple[ChatKept, int]] = {}

    async def get(self, room: Room) -> ChatKept:
        """Return what is kept of a chat.

        Raises:
            BusError: It cannot be read.
        """
        if room not in self._known:
            newest = await self._bus.last(_STREAM, self._subject(room))
            kept = None if newest is None else decode(newest.payload)
            sequence = 0 if newest is None else newest.sequence
            if len(self._known) >= _CACHED:
                del self._known[next(iter(self._known))]
            self._known[room] = (kept if isinstance(kept, ChatKept) else ChatKept(), sequence)
        return self._known[room][0]

    async def put(self, room: Room, kept: ChatKept) -> None:
        """Keep this of a chat from now on.

        Raises:
            BusError: It cannot be stored.
        """
        if kept == await self.get(room):
            return
        try:
            sequence = await self._bus.keep(kept, self._subject(room), self._known[room][1])
        except Fenced:
            # A former owner was the last to write, behind our back: what is chosen now counts.
            del self._known[room]
            await self.get(room)
            sequence = await self._bus.keep(kept, self._subject(room), self._known[room][1])
        self._known[room] = (kept, sequence)

    def _subject(self, room: Room) -> str:
        return chat_subject(self._bus.cell, self._bot, *room)
