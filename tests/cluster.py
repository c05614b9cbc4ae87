"""Three nats-servers that know each other, on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx2
import msgspec

from tests.bus import bus_settings
from tests.nats_server import NatsServer
from tests.plain import PLAIN
from voicebus.bus import server_config
from voicebus.bus.server_config import Cluster, Server
from voicebus.parts import free_ports
from voicebus.settings import BusSettings

SIZE: Final = 3
START_LIMIT_S: Final = 60.0


class ServerCluster:
    """Servers that run as one.

    Args:
        servers: By name.
    """

    def __init__(self, servers: dict[str, NatsServer]) -> None:
        self.servers = servers

    @property
    def settings(self) -> BusSettings:
        """How to connect, in the tests' cell, with three copies of each stream."""
        urls = ",".join(server.url for server in self.servers.values())
        return msgspec.structs.replace(bus_settings(urls), replicas=SIZE)

    def wait_ready(self) -> None:
        """Wait until the servers have a leader and can make streams.

        Raises:
            RuntimeError: They do not in time.
        """
        deadline = time.monotonic() + START_LIMIT_S
        for server in self.servers.values():
            while not self._is_ready(server):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"no cluster: {server.log.read_text()[-2000:]}")
                time.sleep(0.1)

    @staticmethod
    def _is_ready(server: NatsServer) -> bool:
        info = httpx2.get(f"{server.monitoring_url}/jsz", **PLAIN).json()
        meta = info.get("meta_cluster") or {}
        return bool(meta.get("leader")) and meta.get("cluster_size") == SIZE


@contextmanager
def server_cluster(folder: Path, users: Path | None = None) -> Iterator[ServerCluster]:
    """Run a cluster while the context lasts; ``users`` is the file with those of its bus."""
    ports = free_ports(SIZE)
    routes = tuple(f"nats://127.0.0.1:{port}" for port in ports)
    with ExitStack() as stack:
        servers = {}
        for number, port in enumerate(ports, 1):
            own = folder / str(number)
            own.mkdir(parents=True)
            described = Server(
                port=-1,
                monitor_port=-1,
                store=own / "store",
                name=f"n{number}",
                users=users,
                tags=("durable",) if number < SIZE else ("durable", "fast"),
                cluster=Cluster(name="test", port=port, routes=routes),
            )
            config = server_config.write(described, own)
            servers[described.name] = stack.enter_context(NatsServer(own, config))
        cluster = ServerCluster(servers)
        cluster.wait_ready()
        yield cluster
