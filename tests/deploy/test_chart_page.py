"""The page of the chart's values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from deploy import chart_page
from deploy.chart_page import CHART, allowed
from tests.deploy.stage import ROOT

TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
Path = tuple[str, ...]
PAGE = ROOT / "docs" / "reference" / "chart.md"


def test_the_page_is_up_to_date() -> None:
    """The committed page is what the chart's values generate; else run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == chart_page.render()


def test_every_value_is_there_with_its_default() -> None:
    """As a reader of YAML finds them, which knows nothing of lines."""
    found = {value.path: value.default for value in chart_page.values(TEXT) if value.is_leaf}
    leaves = dict(told(yaml.safe_load(TEXT), set(found), ()))

    assert {path: yaml.safe_load(default) for path, default in found.items() if default} == {
        path: value for path, value in leaves.items() if value not in ("", {}, [])
    }


def told(tree: Any, ends: set[Path], path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value of a file of values, as far down as it has lines of their own."""
    if path in ends or not isinstance(tree, dict):
        yield path, tree
        return
    for key, value in tree.items():
        yield from told(value, ends, (*path, key))


def test_every_value_says_what_it_means() -> None:
    """By a comment of its own, or by that of another role."""
    rows = [line for line in chart_page.render().splitlines() if line.startswith("| `")]
    headings = [value for value in chart_page.values(TEXT) if len(value.path) == 1]

    assert len(rows) > 80
    assert [row for row in rows if not row.endswith((". |", ": |"))] == []
    assert [heading.path for heading in headings if not heading.said] == []


def test_every_value_that_may_be_set_is_named() -> None:
    """Those, too, that have no default: the comment of the roles has them."""
    page = chart_page.render()
    names = set(SCHEMA["properties"]) - {"global"}
    for section in SCHEMA["properties"].values():
        names |= set(section.get("properties", {}))
    for role in SCHEMA["properties"]["roles"]["properties"].values():
        names |= set(role["properties"])

    assert [name for name in sorted(names) if name not in page] == []


def test_what_a_value_may_be_is_of_the_schema() -> None:
    """A kind, or the only ones."""
    assert allowed(SCHEMA, ("image", "pullPolicy")) == "`Always`, `IfNotPresent`, `Never`"
    assert allowed(SCHEMA, ("settings", "VOICEBUS_CELL")) == "string, number, boolean"
    assert allowed(SCHEMA, ("roles", "stt", "replicas")) == "integer"
