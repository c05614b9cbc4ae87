"""The protocol's reference shows every setting of a session as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge import wire
from schemas.settings import SessionSettings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "websocket.md"
SECTION = re.search(
    r"### Settings of a session\n(.*?)\n###? ", REFERENCE.read_text(encoding="utf-8"), re.DOTALL
)
ROWS = re.findall(
    r"^\| `(.+?)` \| (.+?) \| `(.+?)` \| (.+) \|$", SECTION[1] if SECTION else "", re.M
)


def defaults(settings: msgspec.Struct, before: str = "") -> dict[str, Any]:
    """Every setting with its default, named as in the table."""
    named: dict[str, Any] = {}
    for field, value in msgspec.structs.asdict(settings).items():
        if isinstance(value, msgspec.Struct):
            named |= defaults(value, f"{before}{field}.")
        else:
            named[before + field] = value
    return named


def test_every_setting_is_shown_with_its_default() -> None:
    """A setting that the page does not show is found by nobody; a stale default misleads."""
    shown = {name: json.loads(default) for name, _, default, _ in ROWS}

    assert shown == json.loads(json.dumps(defaults(SessionSettings())))


def test_settings_are_shown_in_the_order_of_the_schema() -> None:
    """Whoever reads both finds what is looked for in the same place."""
    assert [name for name, *_ in ROWS] == list(defaults(SessionSettings()))


@pytest.mark.parametrize(("name", "default"), [(row[0], row[2]) for row in ROWS])
def test_a_setting_is_taken_as_it_is_shown(name: str, default: str) -> None:
    """The name with its points is where the value stands in the first message."""
    value: Any = json.loads(default)
    for field in reversed(name.split(".")):
        value = {field: value}

    assert wire.parse(json.dumps({"type": "start", **value})) == wire.Start()


def test_every_message_of_a_client_is_shown() -> None:
    """What the edge understands is on the page."""
    understood = {str(kind.__struct_config__.tag) for kind in wire.ClientMessage.__args__}
    text = REFERENCE.read_text(encoding="utf-8")
    shown = set(re.findall(r"^\| `(\w+)` \|", text.split("## Server to client")[0], re.MULTILINE))

    assert understood <= shown
