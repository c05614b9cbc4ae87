"""Each channel by itself: browsers, telephones, messengers, widgets, programs."""

from __future__ import annotations

from deploy.dashboards.panels import (
    Dashboard,
    Kind,
    Panel,
    Query,
    Row,
    Unit,
    quantile,
    quantiles,
    rate,
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "voicebus-channels",
        "voicebus / 5 Channels",
        (
            Row("All", _all()),
            Row("Programs: the API under /v1", _programs()),
            Row("Conversations across channels", _conversations()),
            Row("Telephones", _telephones()),
            Row("Telegram and widgets", _messengers()),
        ),
    )


def _all() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Sessions",
            about="Connected, by channel.",
            queries=(Query("sum by (edge) (voicebus_sessions_active)", "{{edge}}"),),
            unit=Unit.COUNT,
            kind=Kind.STACK,
        ),
        Panel(
            title="Response latency, p95",
            about="By channel. A telephone's own network comes on top.",
            queries=(Query("edge:voicebus_turn_response_seconds:p95_5m", "{{edge}}"),),
            unit=Unit.SECONDS,
            bad=1.5,
        ),
        Panel(
            title="Audio",
            about="Seconds a second: as many callers speak, or are spoken to, at once.",
            queries=(
                Query(
                    rate("voicebus_edge_audio_seconds_total", "edge, direction"),
                    "{{edge}} {{direction}}",
                ),
            ),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Sessions by how they ended",
            about="By channel and reason.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_sessions_total', 'edge, reason')}", "{{edge}} {{reason}}"
                ),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Errors told to clients",
            about="By channel and code.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_client_errors_total', 'edge, code')}",
                    "{{edge}} {{code}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Length of sessions",
            about="Median and p95, by channel.",
            queries=quantiles("voicebus_session_seconds", "edge", "{{edge}}"),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Clients that came back",
            about="To their session, after their connection had broken.",
            queries=(Query(f"60 * {rate('voicebus_sessions_resumed_total', '')}", "came back"),),
            unit=Unit.PER_MINUTE,
        ),
    )


def _programs() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Requests",
            about="By route and status.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_api_requests_total', 'route, status')}",
                    "{{route}} {{status}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            width=12,
            only="requests to /v1",
        ),
        Panel(
            title="First byte, p95",
            about="By route.",
            queries=(
                Query(quantile(0.95, "voicebus_api_first_byte_seconds", "route"), "{{route}}"),
            ),
            unit=Unit.SECONDS,
            width=12,
            only="requests to /v1",
        ),
    )


def _conversations() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Sessions in a conversation",
            about="owner, code: it goes on from another session, of the same owner or by a code.",
            queries=(
                Query(f"60 * {rate('voicebus_conversations_joined_total', 'how')}", "{{how}}"),
            ),
            unit=Unit.PER_MINUTE,
            only="a conversation with an id",
        ),
        Panel(
            title="Refused, by code",
            about="Many at once: somebody tries codes.",
            queries=(
                Query(f"60 * {rate('voicebus_conversations_refused_total', 'code')}", "{{code}}"),
            ),
            unit=Unit.PER_MINUTE,
            only="a refused one",
        ),
        Panel(
            title="Codes made, conversations deleted, turns not kept",
            about="The last should be 0: what was said in them is missing later.",
            queries=(
                Query(f"60 * {rate('voicebus_link_codes_made_total', '')}", "codes"),
                Query(f"60 * {rate('voicebus_conversations_forgotten_total', '')}", "deleted"),
                Query(f"60 * {rate('voicebus_exchanges_unkept_total', '')}", "not kept"),
            ),
            unit=Unit.PER_MINUTE,
        ),
    )


def _telephones() -> tuple[Panel, ...]:
    only = "telephone calls"
    return (
        Panel(
            title="Calls by how they ended",
            about="By protocol and reason.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_telephony_calls_total', 'protocol, reason')}",
                    "{{protocol}} {{reason}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            only=only,
        ),
        Panel(
            title="How late audio leaves, p99",
            about="After 20 ms an exchange plays silence, and that is a click.",
            queries=(Query(quantile(0.99, "voicebus_telephony_late_seconds"), "p99"),),
            unit=Unit.SECONDS,
            bad=0.02,
            only=only,
        ),
        Panel(
            title="Audio lost and thrown away",
            about="lost: by a carrier's network. dropped: it came faster than anybody speaks.",
            queries=(
                Query(
                    rate("voicebus_telephony_lost_seconds_total", "protocol"), "{{protocol}} lost"
                ),
                Query(
                    rate("voicebus_telephony_dropped_seconds_total", "protocol"),
                    "{{protocol}} dropped",
                ),
            ),
            unit=Unit.COUNT,
            only=only,
        ),
        Panel(
            title="Exchanges that were not let in",
            about="By protocol and code.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_telephony_refused_total', 'protocol, code')}",
                    "{{protocol}} {{code}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            only="a connection that is refused",
        ),
    )


def _messengers() -> tuple[Panel, ...]:
    only = "a bot of Telegram"
    return (
        Panel(
            title="Telegram: updates settled",
            about="answered, ignored, refused, failed, unknown.",
            queries=(
                Query(f"60 * {rate('voicebus_telegram_settled_total', 'outcome')}", "{{outcome}}"),
            ),
            unit=Unit.PER_MINUTE,
            width=6,
            only=only,
        ),
        Panel(
            title="Telegram: calls of its API",
            about="flood: it asked us to wait. unreachable: no server answered.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_telegram_calls_total', 'method, outcome')}",
                    "{{method}} {{outcome}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            width=6,
            only=only,
        ),
        Panel(
            title="Telegram: wait for its limits, p95",
            about="How long calls waited for Telegram's flood limits.",
            queries=(Query(quantile(0.95, "voicebus_telegram_limit_seconds"), "p95"),),
            unit=Unit.SECONDS,
            width=6,
            only=only,
        ),
        Panel(
            title="Widgets: connections",
            about="By site.",
            queries=(
                Query(f"60 * {rate('voicebus_widget_connections_total', 'site')}", "{{site}}"),
            ),
            unit=Unit.PER_MINUTE,
            width=6,
            only="a site with a widget",
        ),
    )
