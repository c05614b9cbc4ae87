"""The page of all settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import Struct
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_HEADERS

from voicebus import known, settings, settings_page
from voicebus.other_settings import OTHERS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "settings.md"
EVERY = [pytest.param(kind, scope, id=kind.__name__) for kind, scope in known.every_setting()]


def test_the_page_is_up_to_date() -> None:
    """The committed page is what the settings generate; else run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == settings_page.render()


@pytest.mark.parametrize(("kind", "scope"), EVERY)
def test_every_setting_says_what_it_means(kind: type[Struct], scope: str) -> None:
    """Each field has its sentence in the docstring, and its row on the page."""
    said = settings_page.meanings(kind)

    assert list(said) == list(kind.__struct_fields__)
    page = settings_page.render()
    for field, meaning in said.items():
        assert meaning.endswith((".", "`"))
        assert f"| `{settings.variable(field, scope)}` |" in page


def test_a_meaning_of_several_lines_is_one_sentence() -> None:
    """The page is a table."""

    class Some(Struct):
        """Settings.

        Fields
            first: One that is
                long, ``so``.
            second: Another.
        """

        first: str = ""
        second: int = 0

    assert settings_page.meanings(Some) == {
        "first": "One that is long, `so`.",
        "second": "Another.",
    }


def test_the_page_says_who_reads_what() -> None:
    """Who sets up one process sees which settings concern it."""
    page = settings_page.render()

    assert "## `VOICEBUS_EDGE_WIDGET_…`\n" in page
    assert page.split("## `VOICEBUS_STT_…`")[1].split("\n")[3] == "Read by stt."


def others(group: int) -> dict[str, str]:
    """The variables of a group with their defaults."""
    return {variable.name: variable.default for variable in OTHERS[group].variables}


def test_the_variables_of_the_containers_are_there() -> None:
    """With the defaults that compose takes, and no other: who looks for one finds it there."""
    text = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    read = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))

    assert len(read) == 4
    assert others(1) == read
    assert re.findall(r"\$\{(?!\w+:-)", text) == []


def test_the_variables_of_grafana_are_there() -> None:
    """All that its files name."""
    files = (ROOT / "deploy" / "grafana" / "provisioning").rglob("*.yml")
    texts = "".join(path.read_text(encoding="utf-8") for path in files)

    assert set(others(2)) == set(re.findall(r"(?<!\$)\$\{(\w+)\}", texts))


def test_the_variables_that_are_not_ours_are_there() -> None:
    """What our code asks the environment for by another name than ours, but for what systemd tells
    and the path of programs; and what the library of traces reads.
    """
    named = re.compile(r'environ(?:\.get\(|\[)"([A-Z_]+)"')
    read = {
        name
        for package in ("bridges", "edge", "services", "voicebus")
        for path in (ROOT / package).rglob("*.py")
        for name in named.findall(path.read_text(encoding="utf-8"))
        if not name.startswith(settings.PREFIX)
    }

    told = {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "PATH"}
    assert set(others(0)) == (read - told) | {OTEL_EXPORTER_OTLP_HEADERS}
