"""What a dashboard is made of, and shorthand for the queries that many panels have."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """How a panel shows its figures; the names are Grafana's."""

    LINES = "timeseries"
    STACK = "stacked"
    FIGURE = "stat"
    BARS = "bargauge"
    HEAT = "heatmap"


class Unit(StrEnum):
    """What figures are in; the names are Grafana's."""

    SECONDS = "s"
    BYTES = "bytes"
    RATIO = "percentunit"
    COUNT = "short"
    PER_SECOND = "ops"
    BYTES_PER_SECOND = "Bps"
    PER_MINUTE = "opm"


class Query(Struct, frozen=True):
    """One query.

    Fields
        expr: PromQL.
        legend: What its series are called, with ``{{label}}``.
    """

    expr: str
    legend: str = ""


class Panel(Struct, frozen=True, kw_only=True):
    """One panel.

    Fields
        title: Its title.
        about: What one sees, and what is good.
        queries: What it shows.
        unit: What the figures are in.
        kind: How it shows them.
        width: Of the 24 columns.
        bad: From which value on it is red; None: nothing is good or bad.
        only: What has to happen before it shows anything; empty: a system with callers fills it.
    """

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: Unit
    kind: Kind = Kind.LINES
    width: int = 8
    bad: float | None = None
    only: str = ""


class Row(Struct, frozen=True):
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


class Dashboard(Struct, frozen=True):
    """One dashboard.

    Fields
        uid: Stable, in its address; the name of its file.
        title: Its title.
        rows: What it shows.
    """

    uid: str
    title: str
    rows: tuple[Row, ...]


def rate(metric: str, by: str, where: str = "") -> str:
    """Return how fast a counter grows, a second, summed.

    Args:
        metric: A counter, or the name of a histogram with ``_sum`` or ``_count``.
        by: Labels that are kept, with commas; empty: none.
        where: Matchers, with commas.
    """
    selector = f"{metric}{{{where}}}" if where else metric
    return f"sum by ({by}) (rate({selector}[$__rate_interval]))"


def mean(histogram: str, by: str) -> str:
    """Return the mean of a histogram."""
    return f"{rate(histogram + '_sum', by)} / {rate(histogram + '_count', by)}"


def quantile(share: float, histogram: str, by: str = "") -> str:
    """Return a quantile of a histogram.

    Args:
        share: For example 0.95.
        histogram: Its name.
        by: Labels that are kept, with commas.
    """
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, {rate(histogram + '_bucket', labels)})"


def quantiles(histogram: str, by: str, legend: str = "") -> tuple[Query, ...]:
    """Return median and 95th percentile, as two queries."""
    shown = f"{legend} " if legend else ""
    return (
        Query(quantile(0.5, histogram, by), f"{shown}p50"),
        Query(quantile(0.95, histogram, by), f"{shown}p95"),
    )


def recorded(rule: str, legend: str) -> tuple[Query, ...]:
    """Return median and 95th percentile of a histogram with recording rules."""
    return tuple(Query(f"{rule}:{p}_5m", f"{legend} {p}") for p in ("p50", "p95"))
