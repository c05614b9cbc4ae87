"""docs/howto/telephony.md: what stands there works.

Its program is run in tests/e2e/test_telephony_calls.py.
"""

from __future__ import annotations

import re

import pytest
from prometheus_client import REGISTRY

import voicebus.channel_metrics  # noqa: F401 - it registers them
from edge.telephony.settings import SCOPE, TelephonySettings
from edge.telephony.sockets import PROTOCOLS
from tests.test_house_rules import ROOT
from voicebus import settings

PAGE = (ROOT / "docs" / "howto" / "telephony.md").read_text(encoding="utf-8")


def test_the_settings_of_the_page_are_some() -> None:
    """As a process reads them, all at once."""
    blocks = re.findall(r"^```ini\n(VOICEBUS_.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    chosen = settings.read(TelephonySettings, dict(line.split("=", 1) for line in lines), SCOPE)

    assert len(blocks) == 2
    assert chosen.prompt == "Are you still there?"
    assert chosen.public_url == "wss://voice.example.com"


def test_every_setting_that_is_named_is_there() -> None:
    """Also those between the lines."""
    known = {f"VOICEBUS_{SCOPE}{name.upper()}" for name in TelephonySettings.__struct_fields__}

    assert set(re.findall(rf"VOICEBUS_{SCOPE}\w+", PAGE)) <= known


def test_every_carrier_of_the_table_has_its_door() -> None:
    """By the name in the address."""
    named = set(re.findall(r"`wss?://HOST(?::\d+)?/([a-z]+)", PAGE))

    assert named == set(PROTOCOLS)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"voicebus_telephony_\w+", PAGE))))
def test_the_metrics_of_the_page_are_there(name: str) -> None:
    """By their names."""
    names = {family.name for family in REGISTRY.collect() if "telephony" in family.name}

    assert name.removesuffix("_total") in names
