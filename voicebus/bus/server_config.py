"""The configuration of one nats-server: the project's nats.conf, and what differs from run to run.

Source: https://docs.nats.io/running-a-nats-service/configuration
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from msgspec import Struct

import voicebus
from voicebus.errors import ConfigError

BASE: Final = Path(voicebus.__file__).parent.parent / "nats.conf"
"""The commented file that every server of the project includes."""


_NO_ACCOUNT: Final = "$G"
"""Where the server stores what belongs to nobody in particular."""


_SYNC: Final = re.compile(r'(?<=^  )sync_interval: "\w+"$', re.MULTILINE)


class Tls(Struct, frozen=True, kw_only=True):
    """How connections are encrypted.

    Fields
        cert_file: The server's certificate.
        key_file: Its key.
        ca_file: Who must have signed the certificates of others.
        verify: Whether those who connect must have a certificate too.
    """

    cert_file: Path
    key_file: Path
    ca_file: Path
    verify: bool = False


class Cluster(Struct, frozen=True, kw_only=True):
    """How servers find each other.

    Fields
        name: The cluster's name.
        port: Where this server waits for the others, on its host.
        routes: Addresses of the others, as ``nats://127.0.0.1:6222``; its own may be among them.
        tls: Encryption between servers; both sides show a certificate. None: in the clear.
    """

    name: str
    port: int
    routes: tuple[str, ...]
    tls: Tls | None = None


class Server(Struct, frozen=True, kw_only=True):
    """One nats-server.

    Fields
        port: Where clients connect.
        monitor_port: Where it tells how it is, without a password: on loopback only.
        store: Folder of its streams.
        name: Its name; no two of a cluster have the same.
        host: Address for clients and other servers.
        users: File with the users of the bus; None: whoever reaches the port may do everything.
        tls: Encryption of clients' connections; None: in the clear.
        cluster: None for a server that is alone.
        tags: What it is good for: streams can be placed by it.
        sync_interval: How often what was stored is flushed to the disk, ``always`` for before each
            acknowledgement; empty for what nats.conf says.
    """

    port: int
    monitor_port: int
    store: Path
    name: str = "voicebus"
    host: str = "127.0.0.1"
    users: Path | None = None
    tls: Tls | None = None
    cluster: Cluster | None = None
    tags: tuple[str, ...] = ()
    sync_interval: str = ""


def write(server: Server, folder: Path) -> Path:
    """Write a server's configuration into a folder and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"nats-{server.name}.conf"
    path.write_text(render(server, folder), encoding="utf-8")
    return path


def adopt(store: Path, account: str) -> None:
    """Give an account what the server stored while it had no users, if that was so.

    Left where it was, nobody could read it, and nothing would ever make it expire.
    """
    before, now = store / "jetstream" / _NO_ACCOUNT, store / "jetstream" / account
    if before.exists() and not now.exists():
        before.rename(now)


def command(binary: str, server: Server, config: Path) -> list[str]:
    """Return the command that starts a server with the configuration that was written for it."""
    # The store is no part of the file: the block that it would stand in is that of nats.conf, and
    # a second one would replace all of it.
    return [binary, "-c", str(config), "-sd", str(server.store)]


def render(server: Server, folder: Path) -> str:
    """Return a server's configuration as it stands in a file of a folder.

    What comes later wins: so the included file comes first.
    """
    lines = [
        "# Written by voicebus at each start. Settings of all servers are in the file named here.",
        _include(_base(server, folder), folder),
        f"listen: {_address(server.host, server.port)}",
        f"http: {_address('127.0.0.1', server.monitor_port)}",
        f"server_name: {_text(server.name)}",
    ]
    if server.tags:
        lines.append(f"server_tags: {json.dumps(server.tags)}")
    if server.users is not None:
        lines.append(_include(server.users, folder))
    if server.tls is not None:
        # The handshake comes before any word of the server's: nobody in between can leave out that
        # the connection is to be encrypted.
        lines.append(_tls(server.tls, ["handshake_first: true"]))
    if server.cluster is not None:
        lines.append(_cluster(server.cluster, server.host))
    return "\n".join(lines) + "\n"


def _base(server: Server, folder: Path) -> Path:
    """Return nats.conf, or the copy of it that flushes as often as the server is to."""
    if not server.sync_interval:
        return BASE
    # What is in a block cannot be said again outside of it: a second block replaces the first.
    text, found = _SYNC.subn(
        f"sync_interval: {_text(server.sync_interval)}", BASE.read_text(encoding="utf-8")
    )
    if found != 1:
        raise ConfigError(f"{BASE} does not say sync_interval in one place")
    copy = folder / f"nats-{server.name}-base.conf"
    copy.write_text(text, encoding="utf-8")
    return copy


def _cluster(cluster: Cluster, host: str) -> str:
    routes = ", ".join(_text(route) for route in cluster.routes)
    inside = [
        f"name: {_text(cluster.name)}",
        f"listen: {_address(host, cluster.port)}",
        f"routes: [{routes}]",
        *([] if cluster.tls is None else [_tls(cluster.tls, [])]),
    ]
    return _block("cluster", inside)


def _tls(tls: Tls, more: list[str]) -> str:
    inside = [
        f"cert_file: {_text(str(tls.cert_file))}",
        f"key_file: {_text(str(tls.key_file))}",
        f"ca_file: {_text(str(tls.ca_file))}",
        f"verify: {str(tls.verify).lower()}",
        *more,
    ]
    return _block("tls", inside)


def _block(name: str, inside: list[str]) -> str:
    indented = [f"  {line}" for part in inside for line in part.splitlines()]
    return "\n".join([f"{name} {{", *indented, "}"])


def _include(path: Path, folder: Path) -> str:
    # The server knows paths from the file's own folder only.
    return f"include {_text(os.path.relpath(path.resolve(), folder.resolve()))}"


def _address(host: str, port: int) -> str:
    return _text(f"{host}:{port}")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
