"""Prometheus metrics of the channels: telephones, widgets, messengers.

Those that every edge and worker has are in :mod:`voicebus.metrics`.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# Telephony ----------------------------------------------------------------------------------------
TELEPHONY_CALLS = Counter(
    "voicebus_telephony_calls_total", "Telephone calls by how they ended", ["protocol", "reason"]
)
TELEPHONY_REFUSED = Counter(
    "voicebus_telephony_refused_total",
    "Connections of exchanges that were not let in",
    ["protocol", "code"],
)
TELEPHONY_LATE_SECONDS = Histogram(
    "voicebus_telephony_late_seconds",
    "How late the beat is on which telephone audio is sent",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
TELEPHONY_LOST_SECONDS = Counter(
    "voicebus_telephony_lost_seconds_total",
    "Callers' audio that a carrier's network lost, and that was taken as silence",
    ["protocol"],
)
TELEPHONY_DROPPED_SECONDS = Counter(
    "voicebus_telephony_dropped_seconds_total",
    "Callers' audio that came faster than anybody speaks, and was thrown away",
    ["protocol"],
)

# Widget -------------------------------------------------------------------------------------------
WIDGET_CONNECTIONS = Counter(
    "voicebus_widget_connections_total", "Connections of widgets that were let in", ["site"]
)
WIDGET_SITES_UNREADABLE = Gauge(
    "voicebus_widget_sites_unreadable",
    "1 while the file of sites is gone or cannot be read, and the sites read before it count",
)

# Telegram -----------------------------------------------------------------------------------------
TELEGRAM_OWNED = Gauge(
    "voicebus_telegram_owned", "1 while this process answers for the bot, by its number", ["bot"]
)
TELEGRAM_UPDATES = Counter(
    "voicebus_telegram_updates_total",
    "Updates that came: new, known (they had come before), malformed",
    ["state"],
)
TELEGRAM_SETTLED = Counter(
    "voicebus_telegram_settled_total",
    "Updates by how they ended: answered, ignored, refused, failed, unknown",
    ["outcome"],
)
TELEGRAM_FENCED = Counter(
    "voicebus_telegram_fenced_total", "Answers not sent because another process has answered"
)
TELEGRAM_CALLS = Counter(
    "voicebus_telegram_calls_total",
    "Calls of the Bot API by how they ended: ok, flood, refused, unreachable, unknown",
    ["method", "outcome"],
)
TELEGRAM_LIMIT_SECONDS = Histogram(
    "voicebus_telegram_limit_seconds",
    "How long calls waited for Telegram's flood limits",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60),
)
TELEGRAM_WEBHOOKS_REFUSED = Counter(
    "voicebus_telegram_webhooks_refused_total",
    "Requests to the webhook that were not taken: secret, size, form, slow",
    ["reason"],
)
TELEGRAM_BOTS_UNREADABLE = Gauge(
    "voicebus_telegram_bots_unreadable",
    "1 while the file of the bots cannot be used, and what was read before counts",
)
