"""Questions to the server's API."""

from __future__ import annotations

import asyncio

import pytest
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg

from tests.bus import bus_at
from voicebus.bus.questions import Questions
from voicebus.errors import BusTimeout


async def test_a_question_that_nobody_takes_is_an_error(nats_server: str) -> None:
    """It does not wait for an answer that cannot come."""
    async with bus_at(nats_server) as bus:
        with pytest.raises(BusTimeout, match="nobody answers on nobody"):
            await bus.request("nobody.here", b"")


async def test_a_cancellation_is_not_lost_to_an_answer(nats_server: str) -> None:
    """Both come at the same moment: the caller still stops."""
    connection = Connection()
    await connection.connect(nats_server)
    questions = Questions(connection, "_INBOX.mine")
    asking = asyncio.create_task(questions.ask("somebody.slow", b""))
    await asyncio.sleep(0)

    questions.on_answer(Msg(connection, subject="_INBOX.mine.1", data=b"there"))
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    await connection.close()


async def test_an_answer_that_nobody_waits_for_is_dropped(nats_server: str) -> None:
    """It came too late, or its subject was made up."""
    connection = Connection()
    await connection.connect(nats_server)
    questions = Questions(connection, "_INBOX.mine")

    for token in ("1", "x"):
        questions.on_answer(Msg(connection, subject=f"_INBOX.mine.{token}", data=b""))
    asking = asyncio.create_task(questions.ask("somebody.slow", b""))
    await asyncio.sleep(0)

    assert not asking.done()
    asking.cancel()
    await connection.close()
