"""One bot of a bridge, in the test's own process, with a bus that can be taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bridges.telegram.bots import BotConfig
from bridges.telegram.bridge import Runner
from bridges.telegram.house import Common
from bridges.telegram.settings import TelegramSettings
from bridges.telegram.turn import KIND, Turns
from tests.bridges.telegram.bot_api.faults import Harm
from tests.bridges.telegram.bot_api.people import Person
from tests.bridges.telegram.bot_api.server import BotApi
from tests.nats_server import NatsServer
from tests.workers import bus_in, new_place, until
from voicebus.fleet import Fleet
from voicebus.sessions.sessions import Sessions

BOT = 88_001
LIMIT_S = 30.0
DRAIN_S = 20.0


@asynccontextmanager
async def bot_on(url: str, api: BotApi, **settings: Any) -> AsyncIterator[Runner]:
    """A bot that nobody else has, on a bus without workers."""
    chosen = TelegramSettings(api_url=api.url, **settings)
    async with bus_in(url, new_place().cell) as bus:
        common = Common(
            bus=bus,
            process="one",
            turns=Turns(Sessions(bus, "t", KIND, 4), chosen),
            fleet=Fleet(bus),
            settings=chosen,
        )
        runner = Runner(BotConfig(token=api.add_bot(BOT).token), common)
        await until(lambda: runner.is_owner, LIMIT_S)
        try:
            yield runner
        finally:
            await runner.stop(0.0)


async def test_a_bot_that_is_lost_while_it_drains_is_not_waited_for(
    own_nats_server: NatsServer,
) -> None:
    """The bus stops while a message is sent, and then the process is told to end: it ends."""
    with BotApi() as api:
        async with bot_on(own_nats_server.url, api) as runner:
            api.faults.add("sendMessage", Harm.SLOW, seconds=DRAIN_S + LIMIT_S)
            ann = Person(api, BOT, 1)
            ann.write("/help")
            await asyncio.to_thread(ann.until, "sendMessage")
            own_nats_server.kill()

            async with asyncio.timeout(LIMIT_S):
                await runner.stop(DRAIN_S)

            assert not runner.is_owner
            own_nats_server.start()


async def test_buttons_that_ask_count_as_messages(nats_server: str) -> None:
    """Who presses too often is told so in passing, and no button is left without an answer."""
    with BotApi() as api:
        limits = {"user_messages_per_min": 2, "claim_s": 0.2, "patience_s": 0.2}
        async with bot_on(nats_server, api, **limits):
            ann = Person(api, BOT, 2)
            ann.write("How deep is the sea?")
            (busy,) = await asyncio.to_thread(ann.until_seen)
            ann.press("retry", busy)
            await asyncio.to_thread(ann.until_seen, 2)
            ann.press("retry", busy)
            await until(lambda: len(acknowledged(api)) == 2, LIMIT_S)

            assert ["Slower" in text for text in acknowledged(api)] == [False, True]
            await asyncio.sleep(1.0)
            assert len(ann.seen()) == 2


def acknowledged(api: BotApi) -> list[str]:
    """What was shown in passing to who pressed a button, once for each of them."""
    calls = [call for call in api.calls if call.method == "answerCallbackQuery"]
    return [call.given.get("text", "") for call in calls]
