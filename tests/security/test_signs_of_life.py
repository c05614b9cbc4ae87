"""A process's key gives signs of life for that process, and for nobody else."""

from __future__ import annotations

import asyncio

import pytest

from schemas.claim import Presence
from schemas.codec import encode
from subjects.processes import presence_subject
from tests.secured import BRIDGE, CELL, EDGES, Secured

FORGED = (
    Presence(role="stt", worker="w1", slots=10_000, busy=0),
    Presence(role="stt", worker="w1", slots=1, busy=1, state="draining"),
    Presence(role="llm", worker="w1", slots=1, busy=0, state="drained"),
    Presence(role="supervisor", worker="a", slots=0, busy=0),
    Presence(role="edge", worker=EDGES[0], slots=1, busy=0, life="another"),
)
"""A stage that seems empty, or full; a worker that seems gone; a supervisor that seems first."""


@pytest.mark.parametrize("listener", ["edge-one", "turn", "supervisor", "monitor"])
@pytest.mark.parametrize(
    ("user", "role", "name"),
    [("edge-two", "edge", EDGES[1]), (f"telegram-{BRIDGE}", "edge", BRIDGE), ("tts", "tts", "w2")],
)
async def test_nobody_believes_what_one_process_says_of_another(
    secured: Secured, listener: str, user: str, role: str, name: str
) -> None:
    """It may publish on its own subject; whatever stands there of others is not heard."""
    own = Presence(role=role, worker=name, slots=1, busy=0)
    subject = presence_subject(CELL, role, name)
    async with (
        secured.bus(listener) as bus,
        secured.bus(user) as sender,
        bus.listen(presence_subject(CELL, "*", "*")) as inbox,
    ):
        await bus.flush()
        for said in (*FORGED, own):
            await sender.publish_raw(subject, encode(said))
        async with asyncio.timeout(10):
            heard = await inbox.next()

    assert heard == (subject, own)
