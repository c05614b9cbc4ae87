"""Recording on one server: what is published is heard and stored at once, one behind the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from voicebus.bus.acks import DEADLINE_S, Message, Settled, Stored
from voicebus.bus.copies import MESSAGE_ID, MessageIds
from voicebus.bus.fence import Fence
from voicebus.bus.recorder import Publish
from voicebus.bus.replay import Recorded
from voicebus.errors import Fenced

Newest = Callable[[str, str], Awaitable[Recorded | None]]
"""Reads the newest message of a stream and a subject."""


class SingleRecorder:
    """Does what :class:`voicebus.bus.recorder.Recorder` does, where a stream has no copies.

    Args:
        publish: Sends a message, and again if the connection breaks.
        ids: Gives each message its id.
        newest: Reads the log.
    """

    def __init__(self, publish: Publish, ids: MessageIds, newest: Newest) -> None:
        self._publish = publish
        self._ids = ids
        self._newest = newest

    async def publish(self, message: Message, fence: Fence | None, settled: Settled | None) -> None:
        """Have a message heard and stored.

        Raises:
            BusUnavailable: The connection is gone, and too much waits for the next one.
        """
        headers = {MESSAGE_ID: self._ids.next(), **(message.headers or {})}
        if fence is not None:
            headers |= fence.headers()
        await self._publish(replace(message, headers=headers), settled, DEADLINE_S)

    async def store(self, stream: str, subject: str, payload: bytes, fence: Fence) -> int:
        """Store a claim and return its sequence.

        Raises:
            Fenced: Somebody else wrote meanwhile.
            BusError: The store refuses it, or does not answer.
        """
        stored, message_id = Stored(), self._ids.next()
        headers = {MESSAGE_ID: message_id, **fence.headers()}
        message = Message(stream, subject, payload, headers)
        await self._publish(message, stored.settled, DEADLINE_S)
        try:
            return await stored.future
        except Fenced:
            # Without copies the server looks at the sequence before it looks at the id: a claim
            # that it has, and that is sent again, is refused because of itself.
            newest = await self._newest(stream, subject)
            if newest is None or newest.message_id != message_id:
                raise
            return newest.sequence
