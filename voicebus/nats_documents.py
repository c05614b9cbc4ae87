"""The pages of a NATS server's monitoring port, as far as they are read: /varz, /jsz, /connz."""

from __future__ import annotations

from msgspec import Struct


class Api(Struct, frozen=True):
    """Requests to JetStream's API."""

    total: int = 0
    errors: int = 0


class StoreLimits(Struct, frozen=True):
    """The most that JetStream may keep, in bytes."""

    max_storage: int = 0
    max_memory: int = 0


class StoreUse(Struct, frozen=True):
    """What JetStream keeps, in bytes; ``reserved_storage`` is the sum of the streams' limits."""

    storage: int = 0
    memory: int = 0
    reserved_storage: int = 0
    api: Api = Api()


class Store(Struct, frozen=True):
    """JetStream as a whole."""

    config: StoreLimits = StoreLimits()
    stats: StoreUse = StoreUse()


class DiskWaits(Struct, frozen=True):
    """How often and how long (ns) writing waited for the disk."""

    waits: int = 0
    wait_time: int = 0


class Varz(Struct, frozen=True, kw_only=True):
    """``/varz``: the server. ``cpu`` is in percent of one core, ``mem`` in bytes."""

    server_name: str
    version: str
    mem: int
    cpu: float
    connections: int
    total_connections: int
    subscriptions: int
    in_msgs: int
    out_msgs: int
    in_bytes: int
    out_bytes: int
    slow_consumers: int
    stale_connections: int = 0
    stalled_clients: int = 0
    routes: int = 0
    jetstream: Store = Store()
    disk_io_wait_stats: DiskWaits = DiskWaits()


class Peer(Struct, frozen=True):
    """Another server with a copy: whether it has all of it, and how many operations it lacks."""

    name: str = ""
    current: bool = False
    lag: int = 0


class Leadership(Struct, frozen=True):
    """Who leads a stream or a consumer; empty while there is an election."""

    leader: str = ""
    replicas: tuple[Peer, ...] = ()


class ConsumerDetail(Struct, frozen=True, kw_only=True):
    """A consumer: jobs that wait, that workers hold, and that are with a second worker."""

    name: str
    stream_name: str
    num_pending: int
    num_ack_pending: int
    num_redelivered: int
    num_waiting: int
    cluster: Leadership | None = None


class StreamState(Struct, frozen=True):
    """What a stream holds."""

    messages: int
    bytes: int
    last_seq: int


class StreamConfig(Struct, frozen=True):
    """What a stream may hold, in bytes; -1: as much as there is room."""

    max_bytes: int = -1


class StreamDetail(Struct, frozen=True, kw_only=True):
    """A stream."""

    name: str
    state: StreamState
    config: StreamConfig = StreamConfig()
    cluster: Leadership | None = None
    consumer_detail: tuple[ConsumerDetail, ...] = ()


class Account(Struct, frozen=True):
    """The streams of one account."""

    name: str
    stream_detail: tuple[StreamDetail, ...] = ()


class Jsz(Struct, frozen=True):
    """``/jsz`` with accounts, streams, consumers and their configuration."""

    account_details: tuple[Account, ...] = ()


class Connection(Struct, frozen=True):
    """A client: how much waits to be read by it."""

    pending_bytes: int = 0


class Connz(Struct, frozen=True):
    """``/connz``, those for whom the most waits first."""

    connections: tuple[Connection, ...] = ()


class ServerPages(Struct, frozen=True):
    """What one server said at one moment."""

    varz: Varz
    jsz: Jsz
    connz: Connz
