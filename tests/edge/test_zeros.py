"""What clients of every kind are told is counted from 0 on."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from prometheus_client import REGISTRY

from edge.settings import EdgeSettings
from edge.widget.settings import WidgetSettings
from subjects.tokens import new_token
from tests.bus import bus_at
from tests.edge.openai.serving import api
from tests.edge.running import served
from tests.test_house_rules import ROOT
from voicebus import metrics

CODES: Final = ("busy", "no_worker")
ELSEWHERE: Final = {"telephony", "telegram"}
"""Served by processes of their own, whose sessions are of this kind alone."""


def kinds() -> set[str]:
    """Every kind of clients that there is."""
    return {
        kind
        for folder in ("edge", "bridges")
        for path in (ROOT / folder).rglob("*.py")
        for kind in re.findall(r'^KIND: Final = "(.+)"$', path.read_text(), re.MULTILINE)
    }


async def test_the_first_refused_caller_of_every_channel_is_an_increase(nats_server: str) -> None:
    """An edge that serves a channel shows that nobody was refused there, before anybody is."""
    every = kinds()
    for kind in every:
        for code in CODES:
            with suppress(KeyError):  # another test may have been refused already
                metrics.CLIENT_ERRORS.remove(kind, code)

    async with (
        bus_at(nats_server) as bus,
        served(bus, new_token("e"), EdgeSettings(), widget=WidgetSettings(demo=True)),
        api(nats_server),
    ):
        begun = {
            kind: [
                REGISTRY.get_sample_value(
                    "voicebus_client_errors_total", {"edge": kind, "code": code}
                )
                for code in CODES
            ]
            for kind in every - ELSEWHERE
        }

    assert {"websocket", "openai", "tts", "widget", *ELSEWHERE} < every
    assert begun == {kind: [0.0, 0.0] for kind in every - ELSEWHERE}
