"""A nats-server with users: one for each role, each of two edges, and a bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from nats.aio.client import Client as Connection

from subjects.inboxes import inbox_of
from tests.bus import bus_settings
from tests.cluster import server_cluster
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
    """A running server or cluster, and who may connect to it.

    Args:
        server: The server.
        users: Folder of its users.
        beside: The other servers of its cluster.
    """

    def __init__(self, server: NatsServer, users: Path, beside: Sequence[NatsServer] = ()) -> None:
        self.server = server
        self.users = users
        self.servers = (server, *beside)

    @property
    def urls(self) -> str:
        """Where the servers are, separated by commas."""
        return ",".join(server.url for server in self.servers)

    def settings(self, user: str) -> BusSettings:
        """Return how a user connects."""
        return msgspec.structs.replace(
            bus_settings(self.urls),
            replicas=len(self.servers),
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
            self.urls.split(","),
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
        """What the servers refused, in their own words."""
        logs = [server.log.read_text(errors="replace") for server in self.servers]
        lines = [line for log in logs for line in log.splitlines()]
        return [line for line in lines if "Violation" in line or "not authorized" in line]


def new_users(folder: Path) -> Path:
    """Make the users of a bus; return their folder."""
    users = folder / "users"
    credentials.create(users, CELL, EDGES)
    credentials.add_bridge(users, BRIDGE)
    return users


@contextmanager
def secured_server(folder: Path) -> Iterator[Secured]:
    """Start a server with users while the context lasts."""
    users, run = new_users(folder), folder / "nats"
    run.mkdir()
    described = server_config.Server(
        port=-1, monitor_port=-1, store=run / "store", users=credentials.config_of(users)
    )
    with NatsServer(run, server_config.write(described, folder)) as server:
        yield Secured(server, users)


@contextmanager
def secured_cluster(folder: Path) -> Iterator[Secured]:
    """Start three servers with the same users while the context lasts."""
    users = new_users(folder)
    with server_cluster(folder, credentials.config_of(users)) as cluster:
        first, *others = cluster.servers.values()
        yield Secured(first, users, others)
