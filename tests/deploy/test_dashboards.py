"""The dashboards, without a Prometheus: they are what the code says, and ask for what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from deploy.dashboards import every_dashboard
from deploy.dashboards.__main__ import FOLDER
from deploy.dashboards.draw import Series, draw, drawn_from, figure, nice
from deploy.dashboards.grafana import document, render
from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row, Unit
from tests.nats_pages import said_by
from voicebus import channel_metrics, loop_lag, metrics
from voicebus.metrics.catalogue import entries
from voicebus.nats_documents import ConsumerDetail, StreamDetail, StreamState
from voicebus.nats_metrics import Disk, page_of

PROMETHEUS: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
NAME: Final = re.compile(r"\b(?:voicebus|nats|process|prometheus)_[a-z0-9_]+")
OF_VLLM: Final = re.compile(r"\bvllm:\w+")
OF_OTHERS: Final = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "prometheus_rule_evaluation_failures_total",
}

UNSHOWN: Final = {
    # Their alert has all that there is to see.
    "voicebus_edge_lost_total",
    "voicebus_keys_unreadable",
    "voicebus_telegram_bots_unreadable",
    "voicebus_widget_sites_unreadable",
    # Parts of what a panel shows as a whole.
    "voicebus_autoscale_steps_total",
    "voicebus_demand_promised",
    "voicebus_demand_refused",
    "voicebus_demand_waiting",
    "voicebus_workers",
    # For who looks into one matter.
    "voicebus_build_info",
    "voicebus_held_dropped_total",
    "voicebus_instant_answers_total",
    "voicebus_personas_refused_total",
    "voicebus_stale_dropped_total",
    "voicebus_summaries_total",
    "voicebus_telegram_fenced_total",
    "voicebus_telegram_owned",
    "voicebus_telegram_updates_total",
    "voicebus_telegram_webhooks_refused_total",
}
"""Metrics that no panel shows."""


def queries() -> dict[str, str]:
    """Every query of a panel, a rule or an alert, by where it stands."""
    found = {
        f"{dashboard.uid}: {panel.title} {place}": query.expr
        for dashboard in every_dashboard()
        for row in dashboard.rows
        for panel in row.panels
        for place, query in enumerate(panel.queries)
    }
    for name in ("rules", "alerts"):
        for group in yaml.safe_load((PROMETHEUS / f"{name}.yml").read_text())["groups"]:
            for rule in group["rules"]:
                found[f"{name}: {rule.get('record') or rule['alert']}"] = rule["expr"]
    return found


def known() -> set[str]:
    """Every metric of our processes and of the exporter of the bus, as it stands on a page."""
    names = set(OF_OTHERS)
    for module in (metrics, channel_metrics, loop_lag):
        for metric in vars(module).values():
            if isinstance(metric, Histogram):
                names |= {f"{metric._name}_{part}" for part in ("bucket", "sum", "count")}
            elif isinstance(metric, Counter | Gauge):
                names.add(f"{metric._name}_total" if isinstance(metric, Counter) else metric._name)
    return names | set(re.findall(r"^# TYPE (\S+)", nats_page(), re.MULTILINE))


def nats_page() -> str:
    """A page of the exporter."""
    state = StreamState(messages=0, bytes=0, last_seq=0)
    consumer = ConsumerDetail(
        name="local-stt", stream_name="JOBS", num_pending=0, num_ack_pending=0,
        num_redelivered=0, num_waiting=0,
    )  # fmt: skip
    stream = StreamDetail(name="JOBS", state=state, consumer_detail=(consumer,))
    return page_of([said_by("a", stream)], Disk(1, 2)).decode()


@pytest.mark.parametrize("dashboard", every_dashboard(), ids=lambda dashboard: dashboard.uid)
def test_the_json_is_what_the_code_says(dashboard: Dashboard) -> None:
    """Nobody edits the JSON: `python -m deploy.dashboards` writes it."""
    assert (FOLDER / f"{dashboard.uid}.json").read_text(encoding="utf-8") == render(dashboard)


def test_there_is_no_other_dashboard() -> None:
    """One that was renamed or removed leaves nothing behind."""
    files = {path.stem for path in FOLDER.iterdir()}

    assert files == {dashboard.uid for dashboard in every_dashboard()}


def test_panels_lie_side_by_side_and_none_on_another() -> None:
    """Grafana draws what it is told, even if it cannot be read then."""
    for dashboard in every_dashboard():
        taken: set[tuple[int, int]] = set()
        for panel in document(dashboard)["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not taken & cells, panel["title"]
            taken |= cells


def test_every_panel_says_what_one_sees() -> None:
    """An operator who has never seen the code reads it there."""
    silent = [
        panel.title
        for dashboard in every_dashboard()
        for row in dashboard.rows
        for panel in row.panels
        if not panel.about.endswith(".")
    ]

    assert silent == []


def test_every_query_asks_for_metrics_that_there_are() -> None:
    """A metric that was renamed would leave its panel empty, and its alert silent for ever."""
    recorded = {
        rule["record"]
        for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
        for rule in group["rules"]
    }
    there = known()

    missing = {
        f"{place}: {name}"
        for place, expr in queries().items()
        for name in NAME.findall(strip_recorded(expr, recorded))
        if name not in there
    }

    assert missing == set()


def strip_recorded(expr: str, recorded: set[str]) -> str:
    """A query without recording rules' results, texts in quotation marks and vLLM's metrics.

    The latter are asked of a real vLLM where there is one: tests/engines/test_vllm.py.
    """
    expr = OF_VLLM.sub("", expr)
    for rule in sorted(recorded, key=len, reverse=True):
        expr = expr.replace(rule, "")
    assert ":" not in re.sub(r'"[^"]*"', "", expr), f"no rule records this: {expr}"
    return re.sub(r'"[^"]*"', "", expr)


def test_json_is_read_by_grafana_as_numbers_and_units() -> None:
    """A line that is bad from somewhere on is drawn; and a data source is named by its uid."""
    panel = Panel(
        title="T", about="A.", queries=(Query("up"),), unit=Unit.SECONDS, bad=1.5, only="calls"
    )

    drawn = json.loads(render(Dashboard("u", "D", (Row("R", (panel,)),))))["panels"][1]

    assert drawn["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] == 1.5
    assert drawn["description"] == "A. Empty without calls."
    assert drawn["datasource"]["uid"] == "voicebus"


def test_a_picture_shows_figures_lines_and_names() -> None:
    """Every kind of panel is drawn; one that nothing is known of is left out."""
    series = Series({"le": "0.5", "edge": "web"}, ((0.0, 1.0), (1.0, 2.0)))
    panels = tuple(
        Panel(
            title=kind.name, about="A.", unit=Unit.SECONDS, kind=kind, width=6,
            queries=(Query("full" if kind is not Kind.STACK else "empty", "{{le}}"),),
        )
        for kind in Kind
    )  # fmt: skip

    picture = draw(
        Dashboard("u", "D", (Row("R", panels),)), lambda expr: [series] if expr == "full" else []
    )

    stack = Panel(
        title="S", about="A.", unit=Unit.COUNT, kind=Kind.STACK, queries=(Query("a"), Query("b"))
    )
    assert drawn_from(picture) == {
        panel.title: [query.expr for query in panel.queries]
        for panel in panels
        if panel.kind is not Kind.STACK
    }
    stacked = draw(Dashboard("u", "D", (Row("R", (stack,)),)), lambda _: [series])
    assert stacked.count("<polygon") == 2
    assert ">5<" in stacked  # 2 on top of 2 ends below 5, the next round number
    assert all(kind.name in picture for kind in Kind if kind is not Kind.STACK)
    assert "STACK" not in picture
    assert "2 s" in picture
    assert picture.count("<polyline") == 1


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (2, "s", "2 s"),
        (0.5, "percentunit", "50 %"),
        (3.1e9, "bytes", "3.1 GB"),
        (1500, "Bps", "1.5 kB/s"),
        (1234.4, "short", "1,234"),
    ],
)
def test_figures_are_written_as_people_write_them(value: float, unit: str, text: str) -> None:
    """With a unit, and three digits."""
    assert figure(value, unit) == text


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (0.9, 1), (1.3, 2), (23, 25), (70, 100)])
def test_axes_end_at_round_numbers(highest: float, top: float) -> None:
    """At or above the highest value."""
    assert nice(highest) == pytest.approx(top)


def test_every_metric_is_on_a_panel() -> None:
    """But for those that one asks for by hand, and those whose alert says all."""
    rules = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    recorded = {rule["record"]: rule["expr"] for group in rules for rule in group["rules"]}
    shown = " ".join(expr for place, expr in queries().items() if place.startswith("voicebus-"))
    shown += " ".join(expr for rule, expr in recorded.items() if rule in shown)

    every = {entry.name for found in entries().values() for entry in found}
    assert {
        name for name in every if not re.search(rf"\b{name}(_bucket|_sum|_count)?\b", shown)
    } == UNSHOWN
