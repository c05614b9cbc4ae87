"""Encryption of the bus: the server is the one that it says it is, or nobody speaks to it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import msgspec
import pytest

from tests.bus import bus_settings
from tests.certificates import Authority
from tests.nats_server import NatsServer
from voicebus.bus import server_config
from voicebus.bus.client import connect
from voicebus.bus.server_config import Cluster, Server, Tls
from voicebus.errors import BusUnavailable, ConfigError
from voicebus.parts import free_port
from voicebus.process import attached
from voicebus.settings import BusSettings, ProcessSettings

# nats-py leaves the socket of a handshake that failed to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HOST: Final = "127.0.0.1"
REFUSED_S: Final = 2.0
"""A process tries for as long as it takes; for so long nobody answered it."""


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # here, where it is known what for


def tls_of(authority: Authority, host: str = HOST, *, verify: bool = False) -> Tls:
    """Encryption with a certificate for a host."""
    cert_file, key_file = authority.issue("server", host)
    return Tls(cert_file=cert_file, key_file=key_file, ca_file=authority.ca_file, verify=verify)


@contextmanager
def server_with(folder: Path, **given: object) -> Iterator[NatsServer]:
    """Run a server that is told this, too."""
    run = folder / "run"
    run.mkdir(parents=True)
    described = Server(port=-1, monitor_port=-1, store=run / "store", **given)  # type: ignore[arg-type]
    with NatsServer(run, server_config.write(described, folder)) as server:
        yield server


def settings(server: NatsServer, **given: str) -> BusSettings:
    """How a process connects."""
    return msgspec.structs.replace(bus_settings(server.url.replace("tls://", "nats://")), **given)


async def is_answered(chosen: BusSettings) -> bool:
    """Whether a process connects."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(REFUSED_S, stop.set)
    try:
        async with attached(ProcessSettings(worker_id="test"), chosen, stop):
            return True
    except BusUnavailable:
        return False


def encryption(server: NatsServer) -> list[str]:
    """The versions of TLS of the server's connections."""
    listed = httpx2.get(f"{server.monitoring_url}/connz?state=any", timeout=5.0, trust_env=False)
    return [connection.get("tls_version", "") for connection in listed.json()["connections"]]


async def test_a_process_that_knows_the_signer_connects_encrypted(tmp_path: Path) -> None:
    """TLS 1.3, from the first byte on."""
    authority = Authority(tmp_path / "ca")
    with server_with(tmp_path, tls=tls_of(authority)) as server:
        assert await is_answered(settings(server, nats_ca_file=str(authority.ca_file)))
        assert encryption(server) == ["1.3"]


async def test_nobody_speaks_in_the_clear_to_a_server_that_encrypts(tmp_path: Path) -> None:
    """A process that was not told to encrypt is not served, and tells nobody who it is."""
    with server_with(tmp_path, tls=tls_of(Authority(tmp_path / "ca"))) as server:
        assert not await is_answered(settings(server))


async def test_a_server_that_does_not_encrypt_is_not_spoken_to(tmp_path: Path) -> None:
    """Somebody in between could say that it does not; a process that is to encrypt does."""
    authority = Authority(tmp_path / "ca")
    with server_with(tmp_path) as server:
        assert not await is_answered(settings(server, nats_ca_file=str(authority.ca_file)))


async def test_a_server_that_another_has_signed_for_is_not_spoken_to(tmp_path: Path) -> None:
    """A certificate alone proves nothing."""
    stranger = Authority(tmp_path / "stranger", "stranger")
    with server_with(tmp_path, tls=tls_of(Authority(tmp_path / "ca"))) as server:
        assert not await is_answered(settings(server, nats_ca_file=str(stranger.ca_file)))


async def test_a_server_with_another_s_certificate_is_not_spoken_to(tmp_path: Path) -> None:
    """It was signed for another host."""
    authority = Authority(tmp_path / "ca")
    with server_with(tmp_path, tls=tls_of(authority, "other.example")) as server:
        assert not await is_answered(settings(server, nats_ca_file=str(authority.ca_file)))


async def test_a_server_may_ask_for_a_certificate(tmp_path: Path) -> None:
    """Who has none is not let in, whatever key it may have."""
    authority = Authority(tmp_path / "ca")
    cert_file, cert_key_file = authority.issue("worker", "worker.example")
    with server_with(tmp_path, tls=tls_of(authority, verify=True)) as server:
        without = settings(server, nats_ca_file=str(authority.ca_file))
        own = msgspec.structs.replace(
            without, nats_cert_file=str(cert_file), nats_cert_key_file=str(cert_key_file)
        )

        assert await is_answered(own)
        assert not await is_answered(without)


@pytest.mark.parametrize("name", ["nats_ca_file", "nats_cert_file"])
async def test_a_certificate_that_is_not_there_stops_a_process(tmp_path: Path, name: str) -> None:
    """At once and clearly, and not after a timeout."""
    chosen = msgspec.structs.replace(bus_settings("nats://127.0.0.1:9"), **{name: "nowhere.pem"})

    with pytest.raises(ConfigError, match="certificates"):
        await connect(chosen, "test")


async def test_servers_join_a_cluster_with_certificates_only(tmp_path: Path) -> None:
    """Two that show each other theirs are a cluster; a third in the clear stays alone."""
    tls = tls_of(Authority(tmp_path / "ca"), verify=True)
    ports = [free_port() for _ in range(3)]
    routes = tuple(f"nats://{HOST}:{port}" for port in ports[:2])

    def member(number: int, encrypted: Tls | None) -> Cluster:
        return Cluster(name="home", port=ports[number], routes=routes, tls=encrypted)

    with (
        server_with(tmp_path / "a", name="a", cluster=member(0, tls)) as first,
        server_with(tmp_path / "b", name="b", cluster=member(1, tls)) as second,
        server_with(tmp_path / "c", name="c", cluster=member(2, None)) as stranger,
    ):
        async with asyncio.timeout(20):
            while not (peers(first) and peers(second)):
                await asyncio.sleep(0.1)

        assert (peers(first), peers(second), peers(stranger)) == ({"b"}, {"a"}, set())


def peers(server: NatsServer) -> set[str]:
    """The names of the servers that this one has a route to."""
    listed = httpx2.get(f"{server.monitoring_url}/routez", timeout=5.0, trust_env=False).json()
    return {route["remote_name"] for route in listed["routes"]}
