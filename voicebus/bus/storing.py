"""How messages get into the log: which of the two recorders, and what is not settled yet."""

from __future__ import annotations

from subjects.streams import REMEMBERED
from voicebus.bus.acks import Message, Settled
from voicebus.bus.copies import MessageIds
from voicebus.bus.fence import Fence
from voicebus.bus.recorder import Publish, Recorder
from voicebus.bus.single import Newest, SingleRecorder
from voicebus.bus.unsettled import Unsettled
from voicebus.errors import BusUnavailable


class Storing:
    """Stores the messages of one connection.

    Args:
        send: Sends a message, and again if the connection breaks.
        newest: Reads the log.
        replicas: How many copies the streams have that keep everything.
    """

    def __init__(self, send: Publish, newest: Newest, replicas: int) -> None:
        ids = MessageIds()
        self._unsettled = Unsettled()
        self._single = SingleRecorder(send, ids, newest)
        self._recorder = Recorder(send, ids) if replicas > 1 else self._single

    async def publish(self, message: Message, fence: Fence | None, settled: Settled | None) -> None:
        """Have a message heard now, and stored.

        Raises:
            BusUnavailable: The connection is gone, and too much waits for the next one.
        """
        recorder = self._recorder if message.stream in REMEMBERED else self._single
        if fence is None:
            await recorder.publish(message, None, settled)
            return
        settled = self._unsettled.begin(fence.subject, settled)
        try:
            await recorder.publish(message, fence, settled)
        except BusUnavailable:
            self._unsettled.end(fence.subject)
            raise

    async def keep(self, message: Message, last: int) -> int:
        """Write a message if its subject's sequence is still ``last``; return the new one.

        Raises:
            Fenced: Somebody else wrote one meanwhile.
            BusError: The store refused it or did not answer.
        """
        fence = Fence(message.subject, last)
        return await self._recorder.store(message.stream, message.subject, message.payload, fence)

    async def settled(self, claim: str) -> None:
        """Wait until the store has all that was written under a claim, or has refused it."""
        await self._unsettled.wait(claim)
