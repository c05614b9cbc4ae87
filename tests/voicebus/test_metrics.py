"""The metrics of the system."""

from __future__ import annotations

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from voicebus import channel_metrics, metrics

OURS = {
    name: metric
    for name, metric in (vars(metrics) | vars(channel_metrics)).items()
    if isinstance(metric, Counter | Gauge | Histogram)
}
BOUNDED = {
    "stream", "code", "role", "outcome", "stage", "engine", "model", "kind", "edge", "reason",
    "direction", "part", "route", "status", "protocol", "site", "bot", "state", "method", "how",
}  # fmt: skip


def test_every_metric_is_exposed_and_parses() -> None:
    """Prometheus reads the page, and finds each metric on it under its name."""
    page = generate_latest(REGISTRY).decode()
    families = {family.name for family in text_string_to_metric_families(page)}

    assert {metric._name for metric in OURS.values()} <= families
    assert len(OURS) > 20


def test_names_have_the_prefix_and_base_units() -> None:
    """Durations are in seconds, sizes in bytes: nobody has to look it up."""
    names = [metric._name for metric in OURS.values()]

    assert [name for name in names if not name.startswith("voicebus_")] == []
    assert [name for name in names if name.endswith(("_ms", "_milliseconds", "_kb", "_mb"))] == []
    assert [
        metric._name
        for metric in OURS.values()
        if isinstance(metric, Histogram) and not metric._name.endswith("_seconds")
    ] == []


def test_labels_are_bounded() -> None:
    """No label is a session, a person or a text: each value is a series for ever."""
    labels = {label for metric in OURS.values() for label in metric._labelnames}

    assert labels <= BOUNDED


def test_every_metric_says_what_it_measures() -> None:
    """The help text stands on the page."""
    assert [name for name, metric in OURS.items() if len(metric._documentation) < 10] == []
