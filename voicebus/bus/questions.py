"""One question to the server's API, one answer."""

from __future__ import annotations

import asyncio
from typing import Final

from nats.aio.client import Client as Connection
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from voicebus.errors import BusTimeout, BusUnavailable

REQUEST_TIMEOUT_S: Final = 5.0
_NO_RESPONDERS: Final = "503"


class Questions:
    """Those that are not answered yet.

    Not nats-py's own ``request``: it waits by ``asyncio.wait_for``, which before Python 3.12 loses
    its caller's cancellation if the answer comes at that moment; a worker then never stops.

    Args:
        connection: Where to ask.
        inbox: Head of the subjects on which answers come; :meth:`on_answer` takes them.
    """

    def __init__(self, connection: Connection, inbox: str) -> None:
        self._nats = connection
        self._inbox = inbox
        self._open: dict[int, asyncio.Future[Msg]] = {}
        self._next = 0

    async def ask(self, subject: str, payload: bytes) -> Msg:
        """Return the answer to a question.

        Raises:
            BusTimeout: Nobody answers, or not in time.
            BusUnavailable: The connection is gone and its buffer is full.
        """
        self._next += 1
        number = self._next
        answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            await self._nats.publish(subject, payload, f"{self._inbox}.{number}")
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                message = await answer
        except NatsError as err:
            raise BusUnavailable("the bus is not reachable") from err
        except TimeoutError as err:
            raise BusTimeout(f"the bus does not answer on {subject}") from err
        finally:
            del self._open[number]
        if (message.headers or {}).get("Status") == _NO_RESPONDERS:
            raise BusTimeout(f"nobody answers on {subject}")
        return message

    def on_answer(self, message: Msg) -> None:
        """Take an answer."""
        number = message.subject.rsplit(".", 1)[1]
        answer = self._open.get(int(number)) if number.isdecimal() else None
        if answer is not None and not answer.done():
            answer.set_result(message)
