"""docs/howto/telephony.md: what stands there works.

Its program is run in tests/e2e/test_telephony_calls.py.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import voicebus.channel_metrics  # noqa: F401 - it registers them
from edge.telephony.settings import SCOPE, SHORTEST_SECRET, TelephonySettings
from edge.telephony.sockets import PROTOCOLS
from tests.test_house_rules import ROOT
from voicebus import settings
from voicebus.env_file import read_env_file

PAGE = (ROOT / "docs" / "howto" / "telephony.md").read_text(encoding="utf-8")


def test_the_settings_of_the_page_are_some(tmp_path: Path) -> None:
    """As a process reads them, all at once, and a shell from a file as well."""
    blocks = re.findall(r"^```ini\n(VOICEBUS_.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / ".env").write_text("".join(blocks), encoding="utf-8")
    given = read_env_file(tmp_path / ".env")
    chosen = settings.read(TelephonySettings, given, SCOPE)
    loaded = subprocess.run(
        ["sh", "-c", "set -a; . ./.env; env -0"], cwd=tmp_path, capture_output=True, check=True
    )

    assert len(blocks) == 2
    assert given.items() <= {
        tuple(line.split("=", 1)) for line in loaded.stdout.decode().split("\0") if line
    }
    assert chosen.prompt == "Are you still there?"
    assert chosen.public_url == "wss://voice.example.com"


def test_every_setting_that_is_named_is_there() -> None:
    """Also those between the lines."""
    known = {f"VOICEBUS_{SCOPE}{name.upper()}" for name in TelephonySettings.__struct_fields__}

    assert set(re.findall(rf"VOICEBUS_{SCOPE}\w+", PAGE)) <= known


@pytest.mark.parametrize(
    "page", ["deploy/helm/voicebus/values.yaml", "docs/howto/deploy.md", "docs/howto/telephony.md"]
)
def test_who_puts_something_in_front_is_told_of_its_setting(page: str) -> None:
    """Beside the secret, for which it is needed: or all who guess have the proxy's address."""
    lines = (ROOT / page).read_text(encoding="utf-8")
    told = lines[lines.index("VOICEBUS_TELEPHONY_SECRET") :][:1_000]

    assert "VOICEBUS_TELEPHONY_PROXIES" in told
    assert f"{SHORTEST_SECRET} characters" in lines


def test_every_carrier_of_the_table_has_its_door() -> None:
    """By the name in the address."""
    named = set(re.findall(r"`wss?://HOST(?::\d+)?/([a-z]+)", PAGE))

    assert named == set(PROTOCOLS)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"voicebus_telephony_\w+", PAGE))))
def test_the_metrics_of_the_page_are_there(name: str) -> None:
    """By their names."""
    names = {family.name for family in REGISTRY.collect() if "telephony" in family.name}

    assert name.removesuffix("_total") in names
