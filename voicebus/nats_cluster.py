"""Several nats-servers on this machine that act as one: to try a cluster, and to test with it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from voicebus.bus import server_config
from voicebus.bus.server_config import Cluster, Server
from voicebus.parts import NATS_PORT, free_port, free_ports, nats_binary
from voicebus.supervisor import Part, UpSettings

COPIES: Final = 3
"""How many servers keep each stream: one may be lost, and two still agree."""

_NAME: Final = "voicebus"


def cluster_parts(
    up: UpSettings, environ: Mapping[str, str], users: Path, size: int
) -> tuple[Part, ...]:
    """Return the servers. None of them is ready before most of them run.

    What a single server has stored is not theirs: each has a folder of its own.

    Args:
        up: Port of the first one, and their folder.
        environ: Their environment.
        users: The file with their users.
        size: How many.
    """
    routes, password = free_ports(size), secrets.token_hex(16)
    addresses = tuple(f"nats://{_NAME}:{password}@127.0.0.1:{port}" for port in routes)
    found = []
    for number, route in enumerate(routes, 1):
        store = up.folder() / "cluster" / str(number)
        store.mkdir(parents=True, exist_ok=True)
        server = Server(
            port=(up.nats_port or free_port(NATS_PORT)) if number == 1 else free_port(),
            monitor_port=free_port(),
            store=store,
            name=f"{_NAME}-{number}",
            users=users,
            cluster=Cluster(name=_NAME, port=route, routes=addresses),
        )
        config = _guarded(server_config.write(server, up.folder()), password)
        found.append(
            Part(
                name=f"nats-{number}",
                argv=server_config.command(nats_binary(), server, config),
                environment=environ,
                ready_url=f"http://127.0.0.1:{server.monitor_port}/healthz",
                shown_url=f"nats://127.0.0.1:{server.port}",
            )
        )
    return tuple(found)


def _guarded(config: Path, password: str) -> Path:
    """Let only servers with a password into the cluster, and only its owner read the file.

    A server reads and writes all that the others do, whatever users the bus has: without it, every
    user of the machine could add one.
    """
    asked = f'cluster {{\n  authorization {{ user: "{_NAME}", password: "{password}" }}'
    text = config.read_text(encoding="utf-8").replace("cluster {", asked, 1)
    config.unlink()
    with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return config
