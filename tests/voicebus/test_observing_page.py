"""docs/observing.md: what stands there is there."""

from __future__ import annotations

import re

import pytest

from tests.test_house_rules import ROOT
from voicebus.metrics.catalogue import entries
from voicebus.tracing import conventions

PAGE = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
NAMES = {entry.name for found in entries().values() for entry in found}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(voicebus_\w+)", PAGE))))
def test_the_metrics_of_the_page_are_there(name: str) -> None:
    """By their names."""
    assert name in NAMES


def test_all_spans_are_on_the_page() -> None:
    """And no others."""
    table = PAGE.partition("A trace is a turn:")[2]
    shown = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert shown == {
        conventions.INVOKE_AGENT,
        conventions.SPEECH_TO_TEXT,
        conventions.CHAT,
        conventions.EXECUTE_TOOL,
        conventions.TEXT_TO_SPEECH,
        conventions.ENDPOINTING,
        conventions.RESPONSE,
        conventions.REQUEST,
    }
