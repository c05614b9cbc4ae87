"""What a NATS server says of itself, as Prometheus metrics: documents in, a page out; no I/O.

The server has no metrics, but pages for people and programs on its monitoring port: ``/varz``,
``/jsz`` and ``/connz``. Sums are counters, states are gauges, in base units; streams and consumers
are told by the server that leads them, because the figures of the others lag behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from voicebus.nats_documents import Leadership, ServerPages, StreamDetail

_NS: Final = 1_000_000_000


class Asked(Struct, frozen=True):
    """A server that was asked.

    Fields
        address: Host and port of its monitoring.
        pages: What it said; None when it did not answer, or not as a NATS server does.
    """

    address: str
    pages: ServerPages | None


class Disk(Struct, frozen=True):
    """The file system of a store, in bytes."""

    free: int
    size: int


Family = type[CounterMetricFamily] | type[GaugeMetricFamily]
Row = tuple[Family, str, str, Callable[[Any], float]]

_SERVER: Final[tuple[Row, ...]] = (
    (GaugeMetricFamily, "nats_connections", "Clients", lambda v: v.connections),
    (CounterMetricFamily, "nats_connections_made_total", "Clients that came",
     lambda v: v.total_connections),
    (GaugeMetricFamily, "nats_routes", "Connections to other servers", lambda v: v.routes),
    (GaugeMetricFamily, "nats_subscriptions", "Subscriptions", lambda v: v.subscriptions),
    (GaugeMetricFamily, "nats_memory_bytes", "Memory of the server", lambda v: v.mem),
    (GaugeMetricFamily, "nats_cpu_cores", "Cores that the server uses", lambda v: v.cpu / 100),
    (CounterMetricFamily, "nats_slow_consumers_total",
     "Clients cut off because they did not read", lambda v: v.slow_consumers),
    (CounterMetricFamily, "nats_stale_connections_total",
     "Clients cut off because they gave no sign of life", lambda v: v.stale_connections),
    (CounterMetricFamily, "nats_stalled_clients_total",
     "Times a publisher was held back for a slow reader", lambda v: v.stalled_clients),
    (GaugeMetricFamily, "nats_jetstream_storage_bytes", "What all streams hold",
     lambda v: v.jetstream.stats.storage),
    (GaugeMetricFamily, "nats_jetstream_storage_limit_bytes", "What all streams may hold together",
     lambda v: v.jetstream.config.max_storage),
    (GaugeMetricFamily, "nats_jetstream_storage_reserved_bytes", "Sum of the streams' limits",
     lambda v: v.jetstream.stats.reserved_storage),
    (CounterMetricFamily, "nats_jetstream_api_requests_total", "Questions to JetStream",
     lambda v: v.jetstream.stats.api.total),
    (CounterMetricFamily, "nats_jetstream_api_errors_total", "Questions that it refused",
     lambda v: v.jetstream.stats.api.errors),
    (CounterMetricFamily, "nats_disk_waits_total", "Writes that waited for the disk",
     lambda v: v.disk_io_wait_stats.waits),
    (CounterMetricFamily, "nats_disk_wait_seconds_total", "Time for which they waited",
     lambda v: v.disk_io_wait_stats.wait_time / _NS),
)  # fmt: skip

_STREAM: Final[tuple[Row, ...]] = (
    (GaugeMetricFamily, "nats_stream_messages", "Messages in a stream",
     lambda s: s.state.messages),
    (GaugeMetricFamily, "nats_stream_bytes", "Size of a stream", lambda s: s.state.bytes),
    (GaugeMetricFamily, "nats_stream_limit_bytes", "Largest size of a stream; -1: none",
     lambda s: s.config.max_bytes),
    (CounterMetricFamily, "nats_stream_stored_total", "Messages that a stream has ever stored",
     lambda s: s.state.last_seq),
)  # fmt: skip

_CONSUMER: Final[tuple[Row, ...]] = (
    (GaugeMetricFamily, "nats_consumer_waiting", "Jobs that no worker has yet",
     lambda c: c.num_pending),
    (GaugeMetricFamily, "nats_consumer_held", "Jobs that workers hold",
     lambda c: c.num_ack_pending),
    (GaugeMetricFamily, "nats_consumer_redelivered",
     "Open jobs that are not with the first worker that was given them",
     lambda c: c.num_redelivered),
    (GaugeMetricFamily, "nats_consumer_pulls", "Workers' open questions for a job",
     lambda c: c.num_waiting),
)  # fmt: skip


def page_of(asked: Sequence[Asked], disk: Disk | None) -> bytes:
    """Return the metrics of servers in Prometheus' text format.

    Args:
        asked: Each server.
        disk: That of the store, where it is known.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told([*_families(asked), *_of_disk(disk)]))
    return generate_latest(registry)


class _Told:
    """Families that are there already, for a registry."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._families


def _families(asked: Sequence[Asked]) -> Iterator[Metric]:
    up = GaugeMetricFamily("nats_up", "1 while the server answers", labels=["address"])
    for server in asked:
        up.add_metric([server.address], float(server.pages is not None))
    yield up
    told = [server.pages for server in asked if server.pages is not None]
    info = GaugeMetricFamily("nats_server_info", "1", labels=["server", "version"])
    moved = {
        "messages": CounterMetricFamily(
            "nats_messages_total", "Messages", labels=["server", "direction"]
        ),
        "bytes": CounterMetricFamily("nats_bytes_total", "Bytes", labels=["server", "direction"]),
    }
    unread = GaugeMetricFamily(
        "nats_unread_bytes_max", "What waits for the slowest client", labels=["server"]
    )
    for pages in told:
        varz, name = pages.varz, pages.varz.server_name
        info.add_metric([name, varz.version], 1)
        moved["messages"].add_metric([name, "in"], varz.in_msgs)
        moved["messages"].add_metric([name, "out"], varz.out_msgs)
        moved["bytes"].add_metric([name, "in"], varz.in_bytes)
        moved["bytes"].add_metric([name, "out"], varz.out_bytes)
        unread.add_metric(
            [name], max((c.pending_bytes for c in pages.connz.connections), default=0)
        )
    yield from (info, *moved.values(), unread)
    yield from _rows(_SERVER, ["server"], [((p.varz.server_name,), p.varz) for p in told])
    led = [stream for pages in told for stream in _led(pages)]
    yield from _rows(_STREAM, ["stream"], [((stream.name,), stream) for stream in led])
    yield _behind(led)
    consumers = [
        ((c.stream_name, c.name), c)
        for pages in told
        for stream in _streams(pages)
        for c in stream.consumer_detail
        if _leads(pages, c.cluster)
    ]
    yield from _rows(_CONSUMER, ["stream", "consumer"], consumers)


def _rows(
    rows: Iterable[Row], labels: list[str], things: Sequence[tuple[tuple[str, ...], object]]
) -> Iterator[Metric]:
    for kind, name, text, value in rows:
        family = kind(name, text, labels=labels)
        for values, thing in things:
            family.add_metric(values, value(thing))
        yield family


def _behind(led: Iterable[StreamDetail]) -> Metric:
    family = GaugeMetricFamily(
        "nats_stream_replicas_behind", "Copies that are not up to date", labels=["stream"]
    )
    for stream in led:
        peers = stream.cluster.replicas if stream.cluster else ()
        family.add_metric([stream.name], sum(not peer.current for peer in peers))
    return family


def _of_disk(disk: Disk | None) -> Iterator[Metric]:
    if disk is not None:
        yield GaugeMetricFamily("nats_disk_free_bytes", "Free, on the store's disk", disk.free)
        yield GaugeMetricFamily("nats_disk_size_bytes", "Size of the store's disk", disk.size)


def _streams(pages: ServerPages) -> Iterator[StreamDetail]:
    return (stream for account in pages.jsz.account_details for stream in account.stream_detail)


def _led(pages: ServerPages) -> Iterator[StreamDetail]:
    return (stream for stream in _streams(pages) if _leads(pages, stream.cluster))


def _leads(pages: ServerPages, cluster: Leadership | None) -> bool:
    return cluster is None or cluster.leader == pages.varz.server_name
