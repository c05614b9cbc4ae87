"""Users come, go and get new keys while the bus runs; and a bus without users gets some."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from schemas.audio import AudioChunk
from subjects.catalog import Place, subject_of
from subjects.tokens import new_token
from tests.bus import bus_settings
from tests.nats_server import NatsServer
from tests.secured import CELL, Secured, secured_server
from voicebus import credentials
from voicebus.bus import server_config
from voicebus.bus.client import Bus, connect
from voicebus.bus.layout import make_layout
from voicebus.errors import BusUnavailable, ConfigError
from voicebus.process import attached
from voicebus.settings import BusSettings, ProcessSettings

CHUNK = AudioChunk(pcm=b"\x01\x02", offset=0)
REFUSED_S = 2.0


def read_anew(secured: Secured) -> None:
    """Have the server read its configuration again."""
    os.kill(secured.server.pid, signal.SIGHUP)


async def is_let_in(chosen: BusSettings) -> bool:
    """Whether a process connects."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(REFUSED_S, stop.set)
    try:
        async with attached(ProcessSettings(worker_id="test"), chosen, stop):
            return True
    except BusUnavailable:
        return False


async def stored(bus: Bus, edge: str) -> int:
    """Have an edge record something; return its sequence."""
    return await bus.store(CHUNK, Place(CELL, edge, new_token("s")))


async def test_an_edge_is_added_while_the_others_talk(tmp_path: Path) -> None:
    """The new one is let in, and the old ones notice nothing."""
    with secured_server(tmp_path) as secured:
        await secured.make_layout()
        async with secured.bus("edge-one") as one:
            credentials.add_edge(secured.users, "three")
            read_anew(secured)
            assert await is_let_in(secured.settings("edge-three"))

            async with secured.bus("edge-three") as three:
                assert await stored(three, "three") < await stored(one, "one")
            assert one.is_connected
        assert secured.violations() == []


async def test_a_stolen_key_is_worth_nothing_once_it_was_replaced(tmp_path: Path) -> None:
    """Who holds it is thrown out and not let in again; the new one works, and so do all others."""
    with secured_server(tmp_path) as secured:
        await secured.make_layout()
        stolen = tmp_path / "stolen.seed"
        stolen.write_text(credentials.seed_of(secured.users, "edge-one").read_text())
        async with secured.connection("edge-one") as thief, secured.bus("edge-two") as other:
            credentials.rotate(secured.users, "edge-one")
            read_anew(secured)
            async with asyncio.timeout(10):
                while not thief.is_closed:
                    await asyncio.sleep(0.02)

            async with secured.bus("edge-one") as owner:
                assert await stored(owner, "one")
            assert await stored(other, "two")
        old = BusSettings(nats_url=secured.server.url, cell=CELL, nats_nkey_file=str(stolen))
        assert not await is_let_in(old)


async def test_a_key_of_another_bus_is_not_let_in(tmp_path: Path) -> None:
    """Nor is a process without one."""
    with secured_server(tmp_path / "bus") as secured:
        credentials.create(tmp_path / "other", CELL, ())
        other = BusSettings(
            nats_url=secured.server.url,
            cell=CELL,
            nats_nkey_file=str(credentials.seed_of(tmp_path / "other", "admin")),
        )

        assert not await is_let_in(other)
        assert not await is_let_in(bus_settings(secured.server.url))


@pytest.mark.parametrize("content", [None, "", "UAAAA", "not a seed"])
async def test_a_seed_that_is_none_stops_a_process(tmp_path: Path, content: str | None) -> None:
    """At once; the message names the setting and not what the file holds."""
    seed = tmp_path / "my.seed"
    if content is not None:
        seed.write_text(content)

    with pytest.raises(ConfigError, match="VOICEBUS_NATS_NKEY_FILE") as refusal:
        await connect(BusSettings(nats_url="nats://127.0.0.1:9", nats_nkey_file=str(seed)), "test")

    assert content is None or not content or content not in str(refusal.value)


async def test_what_was_recorded_without_users_is_not_lost(tmp_path: Path) -> None:
    """A bus that gets users keeps its log: it would never be read, or expire, where it was."""
    run = tmp_path / "nats"
    run.mkdir()
    place = Place(CELL, "one", "s1")
    with NatsServer(run) as server:
        await make_layout(bus_settings(server.url))
        bus = await connect(bus_settings(server.url), "test")
        await bus.store(CHUNK, place)
        await bus.close()

    credentials.create(tmp_path / "users", CELL, ("one",))
    described = server_config.Server(
        port=-1,
        monitor_port=-1,
        store=run / "store",
        users=credentials.config_of(tmp_path / "users"),
    )
    server_config.adopt(run / "store", credentials.ACCOUNT)
    with NatsServer(run, server_config.write(described, tmp_path)) as server:
        secured = Secured(server, tmp_path / "users")
        await secured.make_layout()
        async with secured.bus("admin") as admin:
            kept = await admin.last("AUDIO", subject_of(AudioChunk, place))

    assert kept is not None
    assert not (run / "store" / "jetstream" / "$G").exists()
