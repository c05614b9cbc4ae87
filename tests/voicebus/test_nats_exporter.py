"""What a real NATS server says of itself, as metrics."""

from __future__ import annotations

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from subjects.streams import ROLES, Limits, streams
from tests.nats_pages import said_by
from tests.nats_server import NatsServer
from tests.plain import PLAIN
from voicebus import health, nats_exporter
from voicebus.bus.client import connect
from voicebus.bus.layout import ensure_layout
from voicebus.nats_documents import Leadership, StreamDetail, StreamState
from voicebus.nats_exporter import NatsExporterSettings
from voicebus.nats_metrics import page_of
from voicebus.parts import free_port
from voicebus.settings import BusSettings

Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


def samples_of(page: str) -> Samples:
    """Samples by name and labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


async def scraped(*servers: str, store: str = "") -> Samples:
    """What the exporter's page shows of servers."""
    listener = health.bind("127.0.0.1", 0)
    app = Starlette(routes=[nats_exporter.route("/metrics", lambda: servers, store)])
    url = f"http://{health.address(listener)}/metrics"
    async with health.serve(app, listener), httpx2.AsyncClient(**PLAIN) as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return samples_of(answer.text)


async def laid_out(server: NatsServer) -> None:
    """Make the streams."""
    settings = BusSettings(nats_url=server.url)
    bus = await connect(settings, "test")
    await ensure_layout(bus, settings.limits())
    await bus.close()


async def test_a_server_is_told_with_its_streams_and_consumers(own_nats_server: NatsServer) -> None:
    """Each stream with its limit, each stage's jobs, the server's sums, and the disk."""
    await laid_out(own_nats_server)

    found = await scraped(own_nats_server.monitoring_url, store=str(own_nats_server.store))

    address = own_nats_server.monitoring_url.removeprefix("http://")
    name = frozenset({("server", "voicebus")})
    assert found["nats_up"] == {frozenset({("address", address)}): 1}
    assert found["nats_stream_limit_bytes"] == {
        frozenset({("stream", stream.name)}): stream.max_bytes for stream in streams(Limits())
    }
    assert found["nats_consumer_waiting"] == {
        frozenset({("stream", "JOBS"), ("consumer", f"local-{role}")}): 0 for role in ROLES
    }
    assert found["nats_jetstream_storage_limit_bytes"][name] == 3 << 30
    assert found["nats_connections_made_total"][name] == 1
    assert found["nats_messages_total"][name | {("direction", "in")}] > 0
    assert found["nats_disk_size_bytes"][frozenset()] > found["nats_disk_free_bytes"][frozenset()]


async def test_a_server_that_is_away_is_told_as_away(own_nats_server: NatsServer) -> None:
    """The page answers all the same: nats_up is 0 for the one and 1 for the other."""
    gone = f"http://127.0.0.1:{free_port()}"

    found = await scraped(own_nats_server.monitoring_url, gone)

    assert set(found["nats_up"].values()) == {0, 1}
    assert len(found["nats_connections"]) == 1


async def test_what_is_no_nats_server_is_told_as_away() -> None:
    """A wrong address is not an error of the exporter's own page."""
    listener = health.bind("127.0.0.1", 0)
    async with health.serve(Starlette(), listener):
        found = await scraped(f"http://{health.address(listener)}")

    assert list(found["nats_up"].values()) == [0]


def test_a_stream_is_told_by_its_leader_alone() -> None:
    """In a cluster each server knows each stream; the figures of the others lag behind."""
    stream = StreamDetail(
        name="JOBS",
        state=StreamState(messages=7, bytes=70, last_seq=9),
        cluster=Leadership(leader="two"),
    )

    led = samples_of(page_of([said_by("one", stream), said_by("two", stream)], None).decode())
    leaderless = samples_of(page_of([said_by("one", stream)], None).decode())

    assert led["nats_stream_messages"] == {frozenset({("stream", "JOBS")}): 7}
    assert "nats_stream_messages" not in leaderless


def test_the_addresses_are_a_list() -> None:
    """Spaces and slashes at the end do no harm."""
    settings = NatsExporterSettings(urls="http://a:8222/, http://b:8222,")

    assert settings.servers() == ("http://a:8222", "http://b:8222")
