"""What runbooks tell somebody to type or to look at is there: at night nobody has time for less."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

import pytest
import yaml

from deploy.dashboards import every_dashboard
from tests.deploy.test_dashboards import known
from voicebus import targets
from voicebus.cli.main import every_command
from voicebus.parts import ROLES, project_root

ROOT: Final = project_root()
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
PAGES: Final = sorted(RUNBOOKS.glob("*.md"))
CODE: Final = re.compile(r"`([^`\n]+)`")
SHOWN: Final = re.compile(r"(?<!\*)\*([^*`\n]+)\*(?!\*)")
METRIC: Final = re.compile(r"\b(?:voicebus|nats)_[a-z0-9_]+\b")
NUMBER: Final = re.compile(r"\b[Dd]ashboard (\d)")
PLACEHOLDERS: Final = {"SESSION": "s-1", "STAGE": "stt", "NUMBER": "1", "TURN": "1"}
ELSEWHERE: Final = {"Status", "Targets", "Service discovery", "Runtime", "Rules"}
"""Pages of Prometheus itself."""

WORDS: Final = {*ROLES, "hold", "edge", "page", "ticket"}
"""Stages, and how soon somebody is told."""

BASICS: Final = {"curl", "df", "dmesg", "docker", "journalctl", "kubectl", "make", "systemctl"}
PROGRAMS: Final = BASICS | {"promtool", "voicebus"}


def commands() -> list[tuple[str, list[str]]]:
    """What is to be typed, with the page that says so: code that begins with a program."""
    return [
        (page.name, shlex.split(code.partition(" | ")[0]))
        for page in PAGES
        for code in CODE.findall(page.read_text(encoding="utf-8"))
        if code.split()[0] in PROGRAMS
    ]


COMMANDS: Final = [
    pytest.param(words, id=f"{page}: {' '.join(words)}") for page, words in commands()
]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_of_a_runbook_is_one(words: list[str]) -> None:
    """Ours are parsed with all their arguments; what others are told to do is of this project."""
    match words:
        case ["voicebus"]:
            pass
        case ["voicebus", *rest]:
            given = [PLACEHOLDERS.get(word, word) for word in rest]

            assert every_command().parse_args(given).run
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case ["promtool", "check", "rules", *files]:
            assert [file for file in files if not (ROOT / file).is_file()] == []
        case ["docker", "compose", *rest]:
            expect_compose(rest)
        case ["systemctl", _, unit]:
            assert (ROOT / "deploy" / "systemd" / f"{unit}.service").is_file()
        case ["journalctl", "-u", pattern]:
            assert list((ROOT / "deploy" / "systemd").glob(f"{pattern}.service"))
        case ["curl", url] if ":94" in url:
            assert url == f"http://127.0.0.1:{targets.PORT}/targets"
        case _:
            assert words[0] in BASICS


def expect_compose(words: list[str]) -> None:
    """The file is there, and what is acted on is one of its services."""
    files = [word for word in words if word.endswith(".yaml")]
    assert [file for file in files if not (ROOT / file).is_file()] == []
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    verb = next(place for place, word in enumerate(words) if word in {"logs", "restart"})
    assert [word for word in words[verb + 1 :] if word not in services] == []


def test_commands_of_runbooks_are_found() -> None:
    """A page that writes them in another way would leave nothing to be looked for."""
    ours = {words[1] for _, words in commands() if words[0] == "voicebus" and len(words) > 1}

    assert ours >= {"top", "trace", "restart", "dead-letters", "doctor"}
    assert len(commands()) >= 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_metric_that_a_runbook_names_is_measured(page: Path) -> None:
    """By its whole name, in the text as in a query."""
    named = {
        name
        for code in CODE.findall(page.read_text(encoding="utf-8"))
        for name in METRIC.findall(code)
    }

    assert named - known() == set()


def test_metrics_of_runbooks_are_found() -> None:
    """There are some, so that the test above has something to look for."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)

    assert {"nats_up", "voicebus_bus_refused_total"} <= set(METRIC.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_panel_that_a_runbook_names_is_on_that_dashboard(page: Path) -> None:
    """Its title, or how it begins; on one of the dashboards whose numbers stand on the line."""
    for line in page.read_text(encoding="utf-8").splitlines():
        numbers = [int(found) for found in NUMBER.findall(line)]
        dashboards = [every_dashboard()[number - 1] for number in numbers] or every_dashboard()
        titles = [
            title
            for dashboard in dashboards
            for row in dashboard.rows
            for title in (row.title, *(panel.title for panel in row.panels))
        ]
        for shown in SHOWN.findall(line):
            is_panel = any(title.startswith(shown) for title in titles)
            assert is_panel or shown in ELSEWHERE | WORDS, line


def test_dashboards_are_numbered_as_runbooks_count_them() -> None:
    """The number stands in the title."""
    titles = [dashboard.title for dashboard in every_dashboard()]

    assert [title.split(" / ")[1][0] for title in titles] == [str(n) for n in range(1, 7)]
