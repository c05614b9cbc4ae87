"""What the panels of the dashboards show of a running system, asked as Grafana does."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.operate_page import Look
from tests.monitoring.prometheus import DEPLOY, RATE_INTERVAL, Prometheus
from tests.plain import PLAIN

WAITED_FOR: Final = "hold"
"""The stage that is no work: the wait for the end of the turn."""


def exprs(dashboard: str, title: str) -> list[str]:
    """Queries of a panel of a dashboard as Grafana is given it."""
    path = DEPLOY / "grafana" / "dashboards" / f"{dashboard}.json"
    (panel,) = (one for one in json.loads(path.read_text())["panels"] if one["title"] == title)
    return [target["expr"] for target in panel["targets"]]


def asked(prometheus: Prometheus, look: Look) -> dict[str, float]:
    """What a panel shows at this moment, by stage."""
    shown: dict[str, float] = {}
    for expr in exprs(look.dashboard, look.title):
        query = expr.replace("$__rate_interval", RATE_INTERVAL)
        for one in prometheus.ask("query", query=query)["result"]:
            labels = one["metric"]
            shown[labels.get("stage") or labels["role"]] = float(one["value"][1])
    return shown


def is_so(look: Look, shown: Mapping[str, float]) -> bool:
    """Whether a panel shows what the page says of it."""
    value = shown.get(look.line, math.nan)
    if not look.over:
        return value < look.value
    others = [other for name, other in shown.items() if name not in (look.line, WAITED_FOR)]
    return value > look.value and all(value > other for other in others)


def until_so(prometheus: Prometheus, look: Look, within_s: float) -> None:
    """Look at a panel until it shows what the page says.

    Raises:
        AssertionError: It does not, and what it shows instead.
    """
    until = time.monotonic() + within_s
    while not is_so(look, shown := asked(prometheus, look)):
        assert time.monotonic() < until, f"{look}: {shown}"
        time.sleep(0.2)


class Stages:
    """How long stages took lately, on an edge's own page: where no Prometheus is.

    Args:
        url: Of the metrics page.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._before = self._read()

    def means_s(self) -> dict[str, float]:
        """Return the mean of each stage since the last look, in s; of those that were there."""
        before, now = self._before, self._read()
        self._before = now
        found = {}
        for stage, (sum_s, count) in now.items():
            old_s, old = before.get(stage, (0.0, 0.0))
            if count > old:
                found[stage] = (sum_s - old_s) / (count - old)
        return found

    def _read(self) -> dict[str, tuple[float, float]]:
        text = httpx2.get(self._url, timeout=5.0, **PLAIN).text
        found: dict[str, dict[str, float]] = {"_sum": {}, "_count": {}}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                kind = sample.name.removeprefix("voicebus_stage_seconds")
                if kind in found:
                    found[kind][sample.labels["stage"]] = sample.value
        return {stage: (found["_sum"][stage], count) for stage, count in found["_count"].items()}
