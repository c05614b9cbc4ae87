"""Labels of panels, rules, alerts and their stories: those that the metrics have, and no others."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from deploy.dashboards import every_dashboard
from tests.deploy.test_dashboards import OF_VLLM, PROMETHEUS, nats_page, queries
from voicebus import channel_metrics, loop_lag, metrics

OF_TARGETS: Final = {"job", "instance", "process", "namespace"}
"""What Prometheus knows of where it found a metric: see prometheus.yml. The last: in Kubernetes."""

OF_ALERTS: Final = {"alertname", "alertstate", "severity"}
OF_OTHERS: Final = {
    "up": (),
    "process_start_time_seconds": (),
    "prometheus_rule_evaluation_failures_total": ("rule_group",),
}
SERIES: Final = re.compile(r"^(?P<metric>[a-z_]+)(?:{(?P<labels>.*)})?$")


def stories() -> Iterator[dict[str, Any]]:
    """Each story of an alert."""
    for path in sorted((PROMETHEUS / "tests").glob("*.yml")):
        yield from yaml.safe_load(path.read_text())["tests"]


def labels_of() -> dict[str, set[str]]:
    """Labels of every metric, by its name on a page."""
    found = {name: {*labels} for name, labels in OF_OTHERS.items()}
    for module in (metrics, channel_metrics, loop_lag):
        for metric in vars(module).values():
            if isinstance(metric, Histogram):
                for part, more in (("bucket", {"le"}), ("sum", set()), ("count", set())):
                    found[f"{metric._name}_{part}"] = {*metric._labelnames} | more
            elif isinstance(metric, Counter | Gauge):
                name = f"{metric._name}_total" if isinstance(metric, Counter) else metric._name
                found[name] = {*metric._labelnames}
    for name, labels in re.findall(r"^(nats_\w+)(?:{(.*)})? ", nats_page(), re.MULTILINE):
        found[name] = {*re.findall(r"(\w+)=", labels)}
    return found


KNOWN: Final = labels_of()


def asked(expr: str) -> set[str]:
    """Labels that a query keeps or looks at."""
    kept = re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", expr)
    looked_at = re.findall(r"[{,] *(\w+) *(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', expr))
    return {label.strip() for labels in kept for label in labels.split(",")} - {""} | {*looked_at}


@pytest.mark.parametrize(("place", "expr"), [*queries().items()])
def test_every_query_keeps_labels_that_there_are(place: str, expr: str) -> None:
    """A label that no metric has is empty: all lines of a panel become one without a name."""
    there = set(itertools.chain(OF_TARGETS, OF_ALERTS, *KNOWN.values()))

    of_another = {"model_name"} if OF_VLLM.search(expr) else set()
    assert asked(expr) - there - of_another == set()


def test_every_legend_names_what_its_query_keeps() -> None:
    """Or the name that Grafana shows is empty."""
    nameless = [
        f"{dashboard.uid}: {panel.title}"
        for dashboard in every_dashboard()
        for row in dashboard.rows
        for panel in row.panels
        for query in panel.queries
        if " by (" in query.expr
        and not {*re.findall(r"{{(\w+)}}", query.legend)} <= asked(query.expr)
    ]

    assert nameless == []


@pytest.mark.parametrize("story", [*stories()], ids=lambda story: story["name"].partition(".")[0])
def test_every_story_is_told_with_labels_that_there_are(story: dict[str, Any]) -> None:
    """An alert that fires for a series which nobody has says nothing of the real one."""
    for series in story["input_series"]:
        parsed = SERIES.match(series["series"])
        assert parsed is not None, series["series"]
        told = {*re.findall(r"(\w+)=", parsed["labels"] or "")}

        assert told <= KNOWN[parsed["metric"]] | OF_TARGETS, series["series"]
