"""One bot of a bridge, in the test's own process, with a bus that can be taken away."""

from __future__ import annotations

import asyncio

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
from voicebus.bus.client import Bus
from voicebus.fleet import Fleet
from voicebus.sessions.sessions import Sessions

BOT = 88_001
LIMIT_S = 30.0
DRAIN_S = 20.0


def runner_on(bus: Bus, api: BotApi) -> Runner:
    """A bot that nobody else has."""
    settings = TelegramSettings(api_url=api.url)
    common = Common(
        bus=bus,
        process="one",
        turns=Turns(Sessions(bus, "t", KIND, 4), settings),
        fleet=Fleet(bus),
        settings=settings,
    )
    return Runner(BotConfig(token=api.add_bot(BOT).token), common)


async def test_a_bot_that_is_lost_while_it_drains_is_not_waited_for(
    own_nats_server: NatsServer,
) -> None:
    """The bus stops while a message is sent, and then the process is told to end: it ends."""
    with BotApi() as api:
        async with bus_in(own_nats_server.url, new_place().cell) as bus:
            runner = runner_on(bus, api)
            await until(lambda: runner.is_owner, LIMIT_S)
            api.faults.add("sendMessage", Harm.SLOW, seconds=DRAIN_S + LIMIT_S)
            ann = Person(api, BOT, 1)
            ann.write("/help")
            await asyncio.to_thread(ann.until, "sendMessage")
            own_nats_server.kill()

            async with asyncio.timeout(LIMIT_S):
                await runner.stop(DRAIN_S)

            assert not runner.is_owner
            own_nats_server.start()
