"""Every promise of docs/guarantees.md names a test that exists."""

from __future__ import annotations

import ast
import re

import pytest

from voicebus.parts import project_root

PAGE = project_root() / "docs" / "guarantees.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))))


def test_every_promise_has_a_test() -> None:
    """A row without one is no promise."""
    promised = PAGE.read_text(encoding="utf-8").split("## Promised")[1].split("## Not promised")[0]
    rows = [line for line in promised.splitlines() if line.startswith("| ")][1:]

    assert len(rows) >= 10
    assert [row for row in rows if "::test_" not in row] == []


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_promise_is_shown_by_a_test_that_exists(path: str, name: str) -> None:
    """Under this name, in this file, and not skipped for good."""
    tree = ast.parse((project_root() / path).read_text(encoding="utf-8"))
    functions = {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert name in functions
    marks = [ast.unparse(mark) for mark in functions[name].decorator_list]
    assert not [mark for mark in marks if "skip" in mark or "xfail" in mark]
