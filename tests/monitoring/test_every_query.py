"""A real Prometheus watches a real system under load: everything that is asked has an answer."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import pytest
import yaml

from deploy.dashboards import every_dashboard
from deploy.dashboards.draw import draw, drawn_from
from deploy.dashboards.panels import Dashboard, Panel, Row
from tests.collector import Collector, collector
from tests.e2e.test_up import up
from tests.monitoring.house import house
from tests.monitoring.load import ENOUGH, everything, talk
from tests.monitoring.prometheus import DEPLOY, Prometheus, page_in

__all__ = ["collector"]

pytestmark = [pytest.mark.monitoring, pytest.mark.timeout(300)]

# Real engines make slower answers, and truer pictures: MONITORING_ENGINES=real.
REAL = os.environ.get("MONITORING_ENGINES") == "real"
CALLERS = 1 if REAL else 4
SECONDS = 60.0 if REAL else 25.0
SOURCE = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
PROCESSES = {"up", "nats", "stt", "turn", "llm", "tts", "edge", "supervisor"}
BESIDES = {"telephony", "telegram", "tool", "autoscale", "tts-1"}
"""Processes of the other channels, of functions and of the autoscaler."""

PICTURED = {
    "voicebus-overview": 2,
    "voicebus-turn": 3,
    "voicebus-fleet": 1,
    "voicebus-nats": 2,
}
"""How many rows of a dashboard the picture in the documentation has; others have none."""
BROUGHT_ABOUT = {"tracing"}
"""What there is besides calls: panels that are empty without it are not empty here."""

if not REAL:  # pictures are of callers alone
    PROCESSES |= BESIDES
    BROUGHT_ABOUT |= {
        "a bot of Telegram",
        "a connection that is refused",
        "a conversation with an id",
        "a function that is called",
        "a price",
        "a provider that fails",
        "a refused one",
        "a reply that is cancelled",
        "a request without a price",
        "a site with a widget",
        "an interruption",
        "requests to /v1",
        "telephone calls",
        "`voicebus autoscale`",
    }
AT_REST = (
    "ALERTS",
    'code=~"busy|no_worker"',
    "nats_consumer_redelivered",
    "nats_consumer_waiting",
    "nats_connections_made",
    "nats_disk_wait_seconds",
    "nats_jetstream_api_errors",
    "nats_slow_consumers",
    "nats_stale_connections",
    "nats_stalled_clients",
    "nats_stream_replicas_behind",
    "nats_unread_bytes_max",
    "slo:voicebus_response_slow",
    "slo:voicebus_turns_failed",
    "voicebus_audio_gaps",
    "voicebus_bus_ack_failures",
    "voicebus_bus_copies",
    "voicebus_bus_malformed",
    "voicebus_bus_reconnects",
    "voicebus_bus_refused",
    "voicebus_bus_said_again",
    "voicebus_bus_sent_again",
    "voicebus_bus_unsent",
    "voicebus_dead_letters",
    "voicebus_exchanges_unkept",
    "voicebus_handovers",
    "voicebus_inbox_dropped",
    "voicebus_queue_age",
    "voicebus_restarts",
    "voicebus_sessions_resumed",
    "voicebus_takeovers",
)
"""What is 0 while nothing breaks, nobody is turned away and no process comes. All else has to count
something."""

PANELS = [
    pytest.param(panel, id=f"{dashboard.uid}: {panel.title}")
    for dashboard in every_dashboard()
    for row in dashboard.rows
    for panel in row.panels
]


@pytest.fixture(scope="module")
def watched(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has watched callers for a while; the system goes on without any."""
    traced = {"TRACING_ENDPOINT": collector.endpoint}
    folder, data = tmp_path_factory.mktemp("up"), tmp_path_factory.mktemp("prometheus")
    if REAL:
        with up(folder, traced) as alone:
            alone.until_serving()
            with Prometheus(data, page_in(alone.output)) as prometheus:
                prometheus.begin()
                assert asyncio.run(talk(alone.port, CALLERS, SECONDS)) >= CALLERS
                yield prometheus
        return
    with (
        house(folder, traced) as all_of_it,
        Prometheus(data, page_in(all_of_it.up.output), all_of_it.autoscaler) as prometheus,
    ):
        prometheus.begin()
        assert asyncio.run(everything(all_of_it, CALLERS, SECONDS)) >= CALLERS
        yield prometheus


def test_every_process_is_found_and_answers(watched: Prometheus) -> None:
    """`voicebus up` names its parts and the bus, and nothing else has to be written down."""
    targets = watched.ask("targets", state="active")["activeTargets"]

    found = {
        one["labels"].get("process"): one for one in targets if one["scrapePool"] == "voicebus"
    }
    assert set(found) == PROCESSES
    assert {one["health"] for one in targets} == {"up"}, targets


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_shows_what_it_is_for(watched: Prometheus, panel: Panel) -> None:
    """No query is refused; what happened here is there, and each line has its name.

    What has happened is more than 0: also of what other channels, functions and providers do.
    """
    may_be_empty = panel.only not in BROUGHT_ABOUT | {""}
    for query in panel.queries:
        shown = watched.over(query.expr, SECONDS)

        named = re.findall(r"{{(\w+)}}", query.legend)
        assert [one.labels for one in shown if not {*named} <= {*one.labels}] == [], query.expr
        least = -math.inf if REAL or is_at_rest(query.expr) else 0.0
        values = [value for series in shown for _, value in series.points]
        assert may_be_empty or any(least < value < math.inf for value in values), query.expr


def is_at_rest(expr: str) -> bool:
    """Whether a query counts what is 0 on a good day."""
    return not expr.startswith("1 - ") and any(name in expr for name in AT_REST)


def test_what_is_at_rest_is_what_panels_show() -> None:
    """A name that is no more would let nothing be 0, and a panel be of nothing."""
    exprs = [
        query.expr
        for one in every_dashboard()
        for row in one.rows
        for panel in row.panels
        for query in panel.queries
    ]

    assert [name for name in AT_REST if not any(name in expr for expr in exprs)] == []


def test_what_is_brought_about_is_what_panels_wait_for() -> None:
    """A word that changes on a panel would let it be empty again."""
    every = {panel.only for one in every_dashboard() for row in one.rows for panel in row.panels}

    assert every >= BROUGHT_ABOUT


def test_no_label_grows_with_sessions_users_or_requests(watched: Prometheus) -> None:
    """Each value is a series for ever. The buckets of a histogram are few: test_metrics.py."""
    selector = '{__name__=~"voicebus_.+|nats_.+", le=~"|[+]Inf"}'

    counted = watched.ask("query", query=f"count by (__name__, process) ({selector})")["result"]

    series = {
        (one["metric"]["__name__"], one["metric"]["process"]): int(one["value"][1])
        for one in counted
    }
    assert len(series) > 100
    assert {found: count for found, count in series.items() if count >= ENOUGH} == {}


def test_what_callers_waited_for_leads_to_the_traces_of_their_turns(
    watched: Prometheus, collector: Collector
) -> None:
    """Prometheus keeps the exemplars, and the data source knows what leads where."""
    begun_s, label = watched.begun_s, trace_label()
    found = watched.ask(
        "query_exemplars",
        query="voicebus_turn_response_seconds_bucket",
        start=f"{begun_s}",
        end=f"{begun_s + SECONDS}",
    )

    named = {one["labels"][label] for series in found for one in series["exemplars"]}
    collector.wait(lambda spans: named <= {span.trace_id for span in spans})
    assert named
    assert named <= {span.trace_id for span in collector.spans}


def trace_label() -> str:
    """By what label of an exemplar Grafana goes to a trace, and does so with its value."""
    (source,) = yaml.safe_load(SOURCE.read_text())["datasources"]
    (way,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert way["url"].endswith("$${__value.raw}")
    return str(way["name"])


def test_every_rule_is_computed(watched: Prometheus) -> None:
    """Recording rules have results, alerts have none but the one that always fires."""
    groups = watched.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    recorded = [rule["name"] for rule in rules if rule["type"] == "recording"]
    assert [name for name in recorded if not watched.over(name, SECONDS)] == []
    firing = [rule for rule in rules if rule["type"] == "alerting" and rule["state"] == "firing"]
    assert [rule["name"] for rule in firing] == ["Watchdog"], firing


def test_the_dashboards_are_drawn_from_what_was_seen(watched: Prometheus, tmp_path: Path) -> None:
    """The pictures of the documentation are made by this: MONITORING_PICTURES=docs."""
    folder = Path(os.environ.get("MONITORING_PICTURES") or tmp_path)

    for dashboard in every_dashboard():
        rows = dashboard.rows[: PICTURED.get(dashboard.uid)]
        shown = Dashboard(dashboard.uid, dashboard.title, rows)
        picture = draw(shown, lambda expr: watched.over(expr, SECONDS))
        if dashboard.uid in PICTURED:
            (folder / f"{picture_of(dashboard)}.svg").write_text(picture, encoding="utf-8")
            assert picture.count("<polyline") >= 4 * len(rows)
        assert unseen(picture, rows) == []


@pytest.mark.parametrize("uid", PICTURED)
def test_the_pictures_of_the_documentation_are_of_these_dashboards(uid: str) -> None:
    """A panel that is new, has another name or asks for something else is drawn anew."""
    (dashboard,) = [one for one in every_dashboard() if one.uid == uid]
    picture = (DEPLOY.parent / "docs" / f"{picture_of(dashboard)}.svg").read_text(encoding="utf-8")

    rows = dashboard.rows[: PICTURED[uid]]
    assert unseen(picture, rows) == []
    asked = {p.title: [query.expr for query in p.queries] for row in rows for p in row.panels}
    assert drawn_from(picture).items() <= asked.items()


def picture_of(dashboard: Dashboard) -> str:
    """What the picture of a dashboard is called."""
    return dashboard.uid.replace("voicebus", "monitoring", 1)


def unseen(picture: str, rows: Sequence[Row]) -> list[str]:
    """Panels that a picture does not have, but for those of what need not happen."""
    titles = [panel.title for row in rows for panel in row.panels if not panel.only]
    return [title for title in titles if f">{escape(title, quote=False)}</text>" not in picture]
