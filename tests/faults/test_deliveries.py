"""Jobs and messages that come twice, that kill, or that are none."""

from __future__ import annotations

import numpy as np
import pytest

from subjects.catalog import CATALOG, Place, subject_of
from tests.e2e.client import PAUSE, Client, connected, expect_eventually
from tests.faults.account import Samples, expect_unharmed, until_over
from tests.faults.crew import LIMIT_S, Crew, session_of
from tests.secured import CELL, EDGES
from tests.voicebus.audio.recordings import sentence
from voicebus import credentials, dead_letters, parts
from voicebus.unreadable import KEPT_PER_MIN

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]

DEADLY = {"LLM_SYNTHETIC_FAULT": "crash", "LLM_SYNTHETIC_FAULT_TEXT": "poison"}
GARBAGE = (b"", b"\xc1", b"\xde\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff", b"{}")
"""Nothing, no MessagePack, and heads that promise gigabytes."""


@pytest.mark.parametrize("role", ["turn", "llm", "tts"])
async def test_a_job_is_handed_on_while_its_worker_lives(
    crew: Crew, unharmed: Samples, role: str
) -> None:
    """Two workers have it at the same time for a moment: the caller hears one."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("audio_start", within_s=LIMIT_S)
        held = (await crew.claims(client, role))[-1]
        async with crew.secured.bus("supervisor") as bus:
            await bus.publish_raw(held.ack, b"-NAK")
            await bus.flush()
        await until_over(client)
        await client.send("text", text="And once more?")
        await until_over(client, 2)

    await expect_unharmed(crew, client, unharmed, turns=2)


async def test_a_request_that_kills_its_workers_is_given_up(crew: Crew, unharmed: Samples) -> None:
    """Three die of it; the caller is told, the request is kept aside, and the next is answered.

    Nobody starts workers anew by then: what was given up is not asked again with what follows.
    """
    for number, worker in enumerate(crew.workers("llm")):
        await crew.kill(worker)
        crew.dismiss(worker)
        crew.hire("llm", f"llm-deadly-{number}", **DEADLY)
    await crew.heal()
    try:
        async with connected(crew, {}) as client:
            await client.send("text", text="poison")
            await crew.nurse(client)
            await client.send("text", text="water")
            await until_over(client, 2)
        async with connected(crew, {}) as other:
            await other.send("text", text="water")
            await until_over(other)
    finally:
        for worker in crew.workers("llm"):
            await crew.kill(worker)
            crew.dismiss(worker)
        for number in (1, 2):
            crew.hire("llm", f"llm-{number}")
    async with crew.secured.bus("admin") as bus:
        letters = [kept.letter async for kept in dead_letters.kept(bus)]

    assert [(e["stage"], e["turn"]) for e in client.messages("error")] == [("llm", 1)]
    assert [m["outcome"] for m in client.messages("turn_ended")] == ["failed", "completed"]
    assert [(letter.role, letter.turn, letter.failures) for letter in letters] == [("llm", 1, 3)]


async def poured(crew: Crew, client: Client, edge: str) -> int:
    """Publish garbage on every subject of a session, as those who may publish there.

    Only its claims are spared: who may write claims may take the session anyway.
    """
    place, count = Place(CELL, edge, session_of(client)), 0
    for kind, route in CATALOG.items():
        writer = route.writers[0]
        user = credentials.edge_user(edge) if writer == "edge" else writer
        role = route.writers[0] if "{role}" in route.pattern else "*"
        if "{worker}" in route.pattern or "{bot}" in route.pattern:
            continue  # no subject of a session
        subject = subject_of(kind, place, role, "garbage")
        async with crew.secured.connection(user) as connection:
            for payload in GARBAGE:
                await connection.publish(subject, payload)
                count += 1
            await connection.flush()
    return count


async def buried(crew: Crew, client: Client) -> list[dead_letters.Kept]:
    """Return the dead letters of a session, which are gone then."""
    async with crew.secured.bus("admin") as bus:
        found = [kept async for kept in dead_letters.kept(bus)]
        of_session = [kept for kept in found if kept.place.session == session_of(client)]
        for kept in of_session:
            await dead_letters.drop(bus, kept)
    return of_session


async def test_garbage_on_every_subject_of_a_session_is_dropped(
    crew: Crew, unharmed: Samples
) -> None:
    """From somebody with the right to publish there: no process minds, and nobody hears it. Of
    jobs that are none some are kept for people, of each role, and the rest is dropped.
    """
    refused = len(crew.secured.violations())
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", within_s=LIMIT_S)
        count = await poured(crew, client, EDGES[0])
        await until_over(client)
        await client.speak(np.concatenate([sentence(), PAUSE]))
        await until_over(client, 2)

    letters = await buried(crew, client)

    assert count > 100
    for role in parts.ROLES:
        of_role = [kept.letter.request for kept in letters if kept.letter.role == role]
        assert 1 <= len(of_role) <= len(crew.workers(role)) * KEPT_PER_MIN
        assert set(of_role) <= set(GARBAGE)
    assert len(crew.secured.violations()) == refused
    await expect_unharmed(crew, client, unharmed, turns=2)
    for process in crew.processes.values():
        assert process.code is None
    await expect_eventually(
        lambda: all(process.is_ready() for process in crew.processes.values()), "all are ready"
    )
