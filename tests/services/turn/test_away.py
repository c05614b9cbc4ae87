"""A client whose connection is broken, as who leads the conversation sees it."""

from __future__ import annotations

import asyncio

from schemas.session import ClientLost, ClientReturned, SessionOpened
from schemas.settings import SessionSettings, Silence
from schemas.turn import ConverseRequest, TurnStarted
from tests.services.turn.test_worker import session

PATIENCE_S = 0.5
SILENCE = Silence(prompt="Hello?", prompt_after_s=PATIENCE_S, hang_up_after_s=4 * PATIENCE_S)
REQUEST = ConverseRequest(settings=SessionSettings(silence=SILENCE))


async def test_nobody_is_prompted_or_hung_up_on_while_away(nats_server: str) -> None:
    """Nor by a worker that takes over meanwhile; who is back is asked after the usual time."""
    away = (SessionOpened(), ClientLost(seq=-1))
    async with session(nats_server, away, attempt=2, request=REQUEST) as led:
        await asyncio.sleep(5 * PATIENCE_S)
        assert await led.is_silent()
        await led.tell(ClientReturned(seq=-2))
        said = await led.says(2)

    prompt = said["TurnStarted"]
    assert isinstance(prompt, TurnStarted)
    assert prompt.said == "Hello?"


async def test_a_loss_is_heard_live(nats_server: str) -> None:
    """The time that ran stops."""
    async with session(nats_server, request=REQUEST) as led:
        await led.tell(ClientLost(seq=-1))
        await asyncio.sleep(5 * PATIENCE_S)

        assert await led.is_silent()
