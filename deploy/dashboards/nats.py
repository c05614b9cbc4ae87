"""The bus: NATS servers, streams and jobs."""

from __future__ import annotations

from deploy.dashboards.panels import (
    Dashboard,
    Kind,
    Panel,
    Query,
    Row,
    Unit,
    quantiles,
    rate,
    recorded,
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "voicebus-nats",
        "voicebus / 4 NATS",
        (
            Row("Now", _now()),
            Row("Streams and jobs", _streams()),
            Row("Servers", _servers()),
            Row("As the processes see it", _seen()),
        ),
    )


def _now() -> tuple[Panel, ...]:
    return (
        _figure("Servers that answer", "Of those that are asked.", "sum(nats_up)", Unit.COUNT),
        _figure(
            "Storage used",
            "Of what all streams may hold. When it is full, nothing more is stored.",
            "max(nats_jetstream_storage_bytes / nats_jetstream_storage_limit_bytes)",
            Unit.RATIO,
        ),
        _figure(
            "Disk free",
            "Where the streams are stored.",
            "min(nats_disk_free_bytes)",
            Unit.BYTES,
        ),
        _figure(
            "Slow consumers",
            "Clients cut off in 15 minutes because they did not read.",
            "sum(increase(nats_slow_consumers_total[15m]))",
            Unit.COUNT,
        ),
        _figure(
            "Copies behind",
            "Of streams, in a cluster. More than 0 for long: a server is in trouble.",
            "sum(nats_stream_replicas_behind)",
            Unit.COUNT,
        ),
        _figure("Clients", "Connected.", "sum(nats_connections)", Unit.COUNT),
    )


def _figure(title: str, about: str, expr: str, unit: Unit) -> Panel:
    return Panel(
        title=title, about=about, queries=(Query(expr),), unit=unit, kind=Kind.FIGURE, width=4
    )


def _streams() -> tuple[Panel, ...]:
    return (
        Panel(
            title="How full the streams are",
            about="The oldest goes when one is full; JOBS refuses new ones instead.",
            queries=(
                Query(
                    "sum by (stream) (nats_stream_bytes)"
                    " / sum by (stream) (nats_stream_limit_bytes)",
                    "{{stream}}",
                ),
            ),
            unit=Unit.RATIO,
        ),
        Panel(
            title="Stored",
            about="Messages a second that each stream takes.",
            queries=(Query(rate("nats_stream_stored_total", "stream"), "{{stream}}"),),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Sizes",
            about="On the disk of one copy.",
            queries=(Query("sum by (stream) (nats_stream_bytes)", "{{stream}}"),),
            unit=Unit.BYTES,
            kind=Kind.STACK,
        ),
        Panel(
            title="Jobs that workers hold",
            about="By the stage's consumer.",
            queries=(Query('nats_consumer_held{stream="JOBS"}', "{{consumer}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Jobs that nobody has yet",
            about="By the stage's consumer.",
            queries=(Query('nats_consumer_waiting{stream="JOBS"}', "{{consumer}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Jobs with a second worker",
            about="Open ones that are not with the first worker that was given them.",
            queries=(Query('nats_consumer_redelivered{stream="JOBS"}', "{{consumer}}"),),
            unit=Unit.COUNT,
        ),
    )


def _servers() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Messages",
            about="Through each server.",
            queries=(
                Query(rate("nats_messages_total", "server, direction"), "{{server}} {{direction}}"),
            ),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Bytes",
            about="Through each server.",
            queries=(
                Query(rate("nats_bytes_total", "server, direction"), "{{server}} {{direction}}"),
            ),
            unit=Unit.BYTES_PER_SECOND,
        ),
        Panel(
            title="Unread by the slowest client",
            about="At 16 MB it is cut off (max_pending).",
            queries=(Query("nats_unread_bytes_max", "{{server}}"),),
            unit=Unit.BYTES,
            bad=16e6,
        ),
        Panel(
            title="Processor",
            about="Cores that each server uses.",
            queries=(Query("nats_cpu_cores", "{{server}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Memory",
            about="Of each server.",
            queries=(Query("nats_memory_bytes", "{{server}}"),),
            unit=Unit.BYTES,
        ),
        Panel(
            title="Waiting for the disk",
            about="Seconds a second for which writes waited.",
            queries=(Query(rate("nats_disk_wait_seconds_total", "server"), "{{server}}"),),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Questions to JetStream that it refused",
            about="A few at each start: whoever looks for a stream that is not there yet.",
            queries=(Query(rate("nats_jetstream_api_errors_total", "server"), "{{server}}"),),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Clients that came, and were cut off",
            about="Many that come: something dies again and again.",
            queries=(
                Query(f"60 * {rate('nats_connections_made_total', 'server')}", "{{server}} came"),
                Query(f"60 * {rate('nats_slow_consumers_total', 'server')}", "{{server}} slow"),
                Query(f"60 * {rate('nats_stale_connections_total', 'server')}", "{{server}} stale"),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Publishers held back",
            about="For a slow reader: audio is late for everybody. nats.conf turns it off.",
            queries=(Query(f"60 * {rate('nats_stalled_clients_total', 'server')}", "{{server}}"),),
            unit=Unit.PER_MINUTE,
            bad=1,
        ),
    )


def _seen() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Acknowledgements",
            about="From publishing to the stream's word that it is stored. Nobody waits for it.",
            queries=recorded("stream:voicebus_bus_ack_seconds", "{{stream}}"),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Processes that are connected",
            about="Those of one cell. None: the bus is gone, whatever else is known of it.",
            queries=(Query("sum by (cell) (voicebus_bus_connected)", "{{cell}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="A hop",
            about="As long as a message is on its way to another process.",
            queries=quantiles("voicebus_bus_hop_seconds", ""),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Read again in the log",
            about="After a gap, a takeover, a return.",
            queries=(Query(rate("voicebus_bus_replayed_total", "stream"), "{{stream}}"),),
            unit=Unit.PER_SECOND,
            only="something to read again",
        ),
        Panel(
            title="Time for reading it",
            about="Whoever reads is not heard, or not answered, meanwhile.",
            queries=quantiles("voicebus_bus_replay_seconds", "stream", "{{stream}}"),
            unit=Unit.SECONDS,
            only="something to read again",
        ),
        Panel(
            title="Not stored",
            about="Refused, or never acknowledged.",
            queries=(
                Query(
                    rate("voicebus_bus_ack_failures_total", "stream, code"), "{{stream}} {{code}}"
                ),
            ),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Connections made anew, and things refused",
            about="refused: a user of the bus may not do what its process wants.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_bus_reconnects_total', 'process')}", "{{process}} anew"
                ),
                Query(
                    f"60 * {rate('voicebus_bus_refused_total', 'process')}", "{{process}} refused"
                ),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Messages that went no straight way",
            about="again: once more, as the bus had been away. copy: dropped, as it was heard. "
            "The others are lost: unsent without a bus, unread, or no message.",
            queries=(
                Query(f"60 * {rate('voicebus_bus_sent_again_total', '')}", "sent again"),
                Query(f"60 * {rate('voicebus_bus_said_again_total', '')}", "said again"),
                Query(f"60 * {rate('voicebus_bus_copies_total', '')}", "copy"),
                Query(f"60 * {rate('voicebus_bus_unsent_total', '')}", "unsent"),
                Query(f"60 * {rate('voicebus_inbox_dropped_total', '')}", "unread"),
                Query(f"60 * {rate('voicebus_bus_malformed_total', '')}", "malformed"),
            ),
            unit=Unit.PER_MINUTE,
            width=12,
        ),
        Panel(
            title="Spans",
            about="lost: the collector of traces did not take them, or not as fast as they came.",
            queries=(Query(rate("voicebus_trace_spans_total", "outcome"), "{{outcome}}"),),
            unit=Unit.PER_SECOND,
            width=12,
            only="tracing",
        ),
    )
