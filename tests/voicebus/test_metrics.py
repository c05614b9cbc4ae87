"""The metrics of the system, and their page."""

from __future__ import annotations

import itertools
import re

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.test_house_rules import ROOT
from voicebus import channel_metrics, metrics
from voicebus.metrics.catalogue import LABELS, entries, render

ALL = [entry for found in entries().values() for entry in found]
UNITS = ("_seconds", "_ratio", "_per_second")
WRONG_UNITS = ("_ms", "_milliseconds", "_kb", "_mb", "_percent", "_minutes")
MOST_BUCKETS = 21
NAMES_ONLY = {"test_metrics.py", "test_zeros.py", "benchmarks", "deploy", "monitoring"}
"""Tests, and folders of them, that know metrics by name and ask none for what it has counted."""


def test_the_page_of_metrics_is_up_to_date() -> None:
    """What is committed is what the code says; else run `make docs`."""
    page = ROOT / "docs" / "reference" / "metrics.md"

    assert page.read_text(encoding="utf-8") == render()


def test_every_metric_is_exposed_and_parses() -> None:
    """Prometheus reads the page, and finds each metric on it under its name."""
    page = generate_latest(REGISTRY).decode()
    families = {family.name for family in text_string_to_metric_families(page)}

    assert {entry.name.removesuffix("_total") for entry in ALL} <= families


def test_no_metric_of_ours_is_missing_on_the_page() -> None:
    """Whoever defines one elsewhere is told that nobody would find it."""
    ours = {family.name for family in REGISTRY.collect() if family.name.startswith("voicebus_")}
    listed = {entry.name.removesuffix("_total") for entry in ALL}

    assert ours == listed


def test_every_metric_has_its_flat_name() -> None:
    """`metrics.X` is how all code says it; a name of two domains would hide one of them."""
    channels = ("voicebus_telephony", "voicebus_widget", "voicebus_telegram")
    core = [entry.name for entry in ALL if not entry.name.startswith(channels)]

    assert len(set(core)) == len(core)
    assert len(core) == len([name for name in metrics.__all__ if name.isupper()])


def test_names_have_the_prefix_and_base_units() -> None:
    """Durations are in seconds, parts are ratios: nobody has to look it up."""
    assert [entry.name for entry in ALL if not entry.name.startswith("voicebus_")] == []
    assert [entry.name for entry in ALL if entry.name.endswith(WRONG_UNITS)] == []
    assert [e.name for e in ALL if (e.kind == "counter") != e.name.endswith("_total")] == []
    assert [e.name for e in ALL if e.kind == "histogram" and not e.name.endswith(UNITS)] == []


def test_buckets_rise_and_are_few() -> None:
    """Each bucket is a series of each label; what a histogram measures lies within its borders."""
    histograms = [entry for entry in ALL if entry.kind == "histogram"]

    assert len(histograms) > 15
    for entry in histograms:
        assert all(low < high for low, high in itertools.pairwise(entry.borders)), entry.name
        assert 5 < len(entry.borders) < MOST_BUCKETS + 1, entry.name
        assert entry.borders[-1] / max(entry.borders[0], 0.01) >= 50, entry.name


def test_labels_are_bounded() -> None:
    """No label is a session, a person or a text: each value is a series for ever.

    That none becomes one while callers make things up: tests/e2e/test_labels_bounded.py.
    """
    used = {label for entry in ALL for label in entry.labels}

    assert used == set(LABELS)
    assert [entry.name for entry in ALL if len(entry.labels) > 2] == []


def test_every_metric_says_what_it_measures() -> None:
    """The help text stands on the page, in a table."""
    assert [entry.name for entry in ALL if len(entry.meaning) < 10] == []
    assert [entry.name for entry in ALL if "|" in entry.meaning or "\n" in entry.meaning] == []


def test_every_metric_is_asked_for_what_it_counts() -> None:
    """One that is never observed is 0 for ever, and looks as if nothing had happened.

    A query that is computed over it says nothing, nor does a list of names: those tests are left
    out.
    """
    tests = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if not {path.name, path.parent.name} & NAMES_ONLY
    )
    constants = {
        value._name: name
        for module in (metrics, channel_metrics)
        for name, value in vars(module).items()
        if isinstance(value, Counter | Gauge | Histogram)
    }

    unasked = [
        entry.name
        for entry in ALL
        for name in [entry.name.removesuffix("_total")]
        if not re.search(
            rf"\b(channel_)?metrics\.{constants[name]}\b|\b{name}(_total|_count|_sum|_bucket)?\b",
            tests,
        )
    ]
    assert unasked == []
