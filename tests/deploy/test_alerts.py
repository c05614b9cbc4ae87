"""Alerts: each says what to do, and each has a test."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct

from tests.monitoring.prometheus import tool
from voicebus import settings
from voicebus.known import every_setting

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
ALERTS = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
CHOICE = re.compile(r'(?<==~")[^"]*[|][^"]*')
HEADINGS = ("## What users notice", "## Look", "## Do")


def moments() -> dict[str, list[bool]]:
    """Alerts by name, with whether each of their moments is one of alarm."""
    found: dict[str, list[bool]] = {}
    for path in sorted((PROMETHEUS / "tests").glob("*.yml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            name = test["name"].partition(":")[0]
            for moment in test.get("promql_expr_test", []):
                assert f'alertname="{name}"' in moment["expr"], test["name"]
                found.setdefault(name, []).append(bool(moment["exp_samples"]))
    return found


def test_runbooks_name_settings_and_pages_that_there_are() -> None:
    """Who follows one at night has no time for a name that is no more."""
    known = {settings.variable(f, scope) for kind, scope in every_setting() for f in fields(kind)}
    text = "\n".join(page.read_text(encoding="utf-8") for page in RUNBOOKS.glob("*.md"))

    named = set(re.findall(r"VOICEBUS_[A-Z_]+", text))
    linked = set(re.findall(r"\]\(([^)#]+)", text))
    assert named
    assert named - known == set()
    assert [link for link in linked if not (RUNBOOKS / link).exists()] == []


def fields(kind: type[Struct]) -> tuple[str, ...]:
    """Names of a struct's fields."""
    return kind.__struct_fields__


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_whom_it_wakes_and_what_to_do(alert: dict[str, Any]) -> None:
    """A severity, two sentences, and a page: what users notice, where to look, what to do, and
    how long the alert outlasts its cause.
    """
    name = alert["alert"]
    page = RUNBOOKS / f"{name}.md"

    assert alert["labels"]["severity"] in {"page", "ticket", "none"}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"].endswith(".")
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert [heading for heading in HEADINGS if heading not in text] == []
    if (kept := alert.get("keep_firing_for")) is not None:
        assert f"stays for {kept.removesuffix('m')} minutes after it is over" in text


def test_every_runbook_is_of_an_alert_and_listed() -> None:
    """None is left of an alert that is no more; the list of them has each."""
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    listed = (RUNBOOKS / "README.md").read_text(encoding="utf-8")

    assert pages == {alert["alert"] for alert in ALERTS}
    assert [page for page in pages if f"]({page}.md)" not in listed] == []


def test_every_alert_is_tested_in_silence_and_in_alarm() -> None:
    """An alert that never fires and one that always does look alike in the file."""
    found = moments()

    assert set(found) == {alert["alert"] for alert in ALERTS}
    assert [name for name, alarms in found.items() if True not in alarms] == []
    assert [name for name, alarms in found.items() if False not in alarms] == ["Watchdog"]


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_prometheus_takes_the_configuration_and_the_rules(name: str) -> None:
    """As `promtool check` says, without a warning."""
    checked = subprocess.run(
        [tool("promtool"), "check", "config", "--lint=all", str(PROMETHEUS / name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.monitoring
def test_alerts_fire_when_they_should_and_only_then() -> None:
    """All stories of deploy/prometheus/tests, told to Prometheus' own evaluation."""
    files = sorted(path.name for path in (PROMETHEUS / "tests").glob("*.yml"))
    told = subprocess.run(
        [tool("promtool"), "test", "rules", *files],
        cwd=PROMETHEUS / "tests", capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stdout + told.stderr


def without_a_part() -> Iterator[tuple[str, str, str]]:
    """Each alert of several parts, one of which raises it: its name, what is left out, the rest."""
    for alert in ALERTS:
        expr = alert["expr"]
        parts = re.split(r"\s+or\s+", expr)
        if len(parts) > 1:
            for part in parts:
                yield alert["alert"], part, " or ".join(p for p in parts if p != part)
        for choice in CHOICE.finditer(expr):
            values = choice[0].split("|")
            for value in values:
                rest = "|".join(v for v in values if v != value)
                yield alert["alert"], value, expr.replace(choice[0], rest)


@pytest.mark.monitoring
@pytest.mark.parametrize(
    ("name", "part", "rest"),
    [pytest.param(*found, id=f"{found[0]}: {found[1]}") for found in without_a_part()],
)
def test_every_part_of_an_alert_has_a_story(
    name: str, part: str, rest: str, tmp_path: Path
) -> None:
    """Without it, one of them is told otherwise: it would not be missed if it could not fire."""
    shutil.copy(PROMETHEUS / "rules.yml", tmp_path)
    alert = next(alert for alert in ALERTS if alert["alert"] == name)
    stories = [
        story
        for path in sorted((PROMETHEUS / "tests").glob("*.yml"))
        for story in yaml.safe_load(path.read_text())["tests"]
        if story["name"].startswith(f"{name}:")
    ]
    told = {}
    for which, expr in (("whole", alert["expr"]), ("less", rest)):
        rules = {"groups": [{"name": "alerts", "rules": [{**alert, "expr": expr}]}]}
        (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules))
        test = {"rule_files": ["rules.yml", "alerts.yml"], "evaluation_interval": "1m"}
        (tmp_path / "test.yml").write_text(yaml.safe_dump({**test, "tests": stories}))
        told[which] = subprocess.run(
            [tool("promtool"), "test", "rules", "test.yml"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert told["whole"].returncode == 0, told["whole"].stdout + told["whole"].stderr
    assert told["less"].returncode == 1, f"no story of {name} misses {part}"
