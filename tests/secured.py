"""A nats-server with users: one for each role, each of two edges, and a bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from nats.aio.client import Client as Connection

from subjects.inboxes import inbox_of
from tests.bus import bus_settings
from tests.nats_server import NatsServer
from voicebus import credentials
from voicebus.bus import server_config
from voicebus.bus.client import Bus, connect
from voicebus.bus.layout import ensure_layout
from voicebus.bus.nkeys import UserKey
from voicebus.settings import BusSettings

CELL: Final = bus_settings("").cell
EDGES: Final = ("one", "two")
BRIDGE: Final = "tg"


class Secured:
    """A running server, and who may connect to it.

    Args:
        server: The server.
        users: Folder of its users.
    """

    def __init__(self, server: NatsServer, users: Path) -> None:
        self.server = server
        self.users = users

    def settings(self, user: str) -> BusSettings:
        """Return how a user connects."""
        return msgspec.structs.replace(
            bus_settings(self.server.url),
            nats_nkey_file=str(credentials.seed_of(self.users, user)),
        )

    def key(self, user: str) -> str:
        """Return a user's public key."""
        return credentials.read(self.users).users[user].public_key

    @asynccontextmanager
    async def bus(self, user: str) -> AsyncIterator[Bus]:
        """Connect as a user."""
        bus = await connect(self.settings(user), user)
        try:
            yield bus
        finally:
            await bus.close()

    @asynccontextmanager
    async def connection(self, user: str) -> AsyncIterator[Connection]:
        """Connect as a user, without anything of ours in between."""
        key = UserKey.of_seed(credentials.seed_of(self.users, user).read_text())
        connection = Connection()
        connection._public_nkey = key.public
        await connection.connect(
            self.server.url,
            signature_cb=key.sign,
            inbox_prefix=inbox_of(key.public),
            allow_reconnect=False,
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def make_layout(self, **sizes: int) -> None:
        """Make the streams, as their admin does; ``sizes`` are settings of the bus."""
        async with self.bus("admin") as bus:
            settings = msgspec.structs.replace(self.settings("admin"), **sizes)
            await ensure_layout(bus, settings.limits())

    def violations(self) -> list[str]:
        """What the server refused, in its own words."""
        lines = self.server.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Violation" in line or "not authorized" in line]


@contextmanager
def secured_server(folder: Path) -> Iterator[Secured]:
    """Start a server with users while the context lasts."""
    users, run = folder / "users", folder / "nats"
    run.mkdir(parents=True)
    credentials.create(users, CELL, EDGES)
    credentials.add_bridge(users, BRIDGE)
    described = server_config.Server(
        port=-1, monitor_port=-1, store=run / "store", users=credentials.config_of(users)
    )
    with NatsServer(run, server_config.write(described, folder)) as server:
        yield Secured(server, users)
