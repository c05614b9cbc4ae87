"""What those may do who carry no session: look, hand on work, and manage streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from nats.aio.msg import Msg

from schemas.claim import Claimed, Demand, Presence
from schemas.codec import encode
from schemas.stt import TranscribeRequest
from subjects.catalog import Place, session_log, subject_of
from subjects.jobs import demand_subject
from subjects.processes import presence_subject
from subjects.streams import ROLES, consumer_name
from subjects.tokens import new_token
from tests.secured import CELL, EDGES, Secured
from voicebus.bus.client import Bus
from voicebus.bus.delivery import ACK, NAK
from voicebus.bus.jobs import JobSource
from voicebus.overview import Observer


def place_of_one() -> Place:
    """A new session of the first edge."""
    return Place(CELL, EDGES[0], new_token("s"))


async def first(inbox: Any, wanted: Callable[[str], bool]) -> tuple[str, Any]:
    """Wait for the first message on a subject like this."""
    async with asyncio.timeout(10):
        while True:
            subject, event = await inbox.next()
            if wanted(subject):
                return subject, event


async def info(bus: Bus, verb: str) -> dict[str, Any]:
    """Ask the server what there is."""
    answer: dict[str, Any] = json.loads(await bus.request(f"$JS.API.{verb}", b""))
    assert "error" not in answer
    return answer


async def test_the_monitor_sees_who_is_there_and_how_much(secured: Secured) -> None:
    """Signs of life, streams and consumers: all that a table of the system shows."""
    alive = presence_subject(CELL, "stt", "w1")
    sign = Presence(role="stt", worker="w1", slots=1, busy=0)
    everyone = presence_subject(CELL, "*", "*")
    async with secured.bus("stt") as stt, secured.bus("monitor") as bus:
        async with bus.listen(everyone) as inbox:
            await bus.flush()
            await stt.publish_raw(alive, encode(sign))
            _, seen = await first(inbox, lambda subject: subject == alive)

        found = await Observer(bus).look()

    assert seen == sign
    assert {row.name for row in found.streams} >= {"AUDIO", "REPLY", "SESSION", "JOBS"}
    assert [row.role for row in found.queues] == list(ROLES)


async def test_the_list_of_streams_names_no_subject_of_a_conversation(secured: Secured) -> None:
    """It has sizes, also for one who asks as one asks after a single stream."""
    secret = new_token("c")
    async with secured.bus("turn") as turn, secured.bus("monitor") as bus:
        await turn.request(f"vb.{CELL}.conversation.{secret}", b"words")
        asked = [b"", b'{"subjects_filter":">"}', b'{"deleted_details":true}', b'{"subject":">"}']
        told = [await bus.request("$JS.API.STREAM.LIST", body) for body in asked]
    async with secured.bus("admin") as admin:
        stored = await admin.request("$JS.API.STREAM.INFO.CONVERSATION", b'{"subjects_filter":">"}')

    assert secret in stored.decode()
    assert [secret in answer.decode() for answer in told] == [False] * len(asked)


async def test_the_supervisor_tells_the_monitor_how_much_work_there_is(secured: Secured) -> None:
    """It may ask how long each queue is, and tell it; who only looks may hear that."""
    said = Demand(role="stt", waiting=1, held=2, slots=4, workers=1)
    async with secured.bus("supervisor") as supervisor, secured.bus("monitor") as bus:
        async with bus.listen(demand_subject(CELL, "*")) as inbox:
            await bus.flush()
            await supervisor.publish_raw(demand_subject(CELL, "stt"), encode(said))
            _, heard = await first(inbox, lambda _: True)
        counted = [
            await info(supervisor, f"CONSUMER.INFO.JOBS.{consumer_name(CELL, role)}")
            for role in ROLES
        ]

    assert heard == said
    assert [found["num_pending"] >= 0 for found in counted] == [True] * len(ROLES)


async def test_the_supervisor_hands_on_the_work_of_the_dead(secured: Secured) -> None:
    """It hears the claim, and gives the job back; another worker has it at once."""
    place, job = place_of_one(), "session"
    claimed_on = subject_of(Claimed, place, "stt", job)
    async with (
        secured.bus("edge-one") as edge,
        secured.bus("stt") as stt,
        secured.bus("supervisor") as supervisor,
        supervisor.listen(subject_of(Claimed, Place(CELL, "*", "*"), "*", "*")) as inbox,
        asyncio.TaskGroup() as group,
    ):
        await supervisor.flush()
        source = JobSource(stt, "stt", lambda: 1)
        asking = group.create_task(source.run())
        source.ask()
        await edge.store(TranscribeRequest(), place, job=job)
        async with asyncio.timeout(10):
            delivery = await source.next()
        await stt.claim(Claimed(role="stt", worker="w1", ack=delivery.ack), place, job, 0)
        _, claim = await first(inbox, lambda subject: subject == claimed_on)

        await supervisor.publish_raw(claim.ack, NAK)
        source.ask()
        async with asyncio.timeout(10):
            again = await source.next()

        assert (again.subject, again.attempt) == (delivery.subject, 2)
        await source.settle(again, ACK)
        asking.cancel()


async def test_the_newest_claim_is_read_by_its_subject(secured: Secured) -> None:
    """A supervisor that comes late asks who holds a job, and for nothing else of the session."""
    place = place_of_one()
    async with secured.bus("llm") as llm, secured.bus("supervisor") as supervisor:
        fence = await llm.claim(Claimed(role="llm", worker="w1"), place, "1-0", 0)

        last = await supervisor.last("SESSION", fence.subject)

    assert last is not None
    assert last.sequence == fence.epoch


@pytest.mark.parametrize("verb", ["CONNECT", "DISCONNECT"])
async def test_the_system_s_user_hears_who_comes_and_goes(secured: Secured, verb: str) -> None:
    """With the name of the process: that is how a supervisor knows whose claims are open."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(message: Msg) -> None:
        told = json.loads(message.data)
        if told["client"]["name"] == "tts":
            heard.put_nowait(told)

    async with secured.connection("system") as system:
        await system.subscribe(f"$SYS.ACCOUNT.*.{verb}", cb=take)
        await system.flush()
        async with secured.bus("tts"):
            pass
        async with asyncio.timeout(10):
            told = await heard.get()

    assert told["client"]["acc"] == "VOICEBUS"


async def test_the_admin_reads_a_session_back(secured: Secured) -> None:
    """What `voicebus replay` does."""
    place = place_of_one()
    async with secured.bus("llm") as llm, secured.bus("admin") as admin:
        fence = await llm.claim(Claimed(role="llm", worker="w1"), place, "1-0", 0)

        _, down = session_log(CELL, place.session)
        read = [message async for message in admin.read("SESSION", down)]
        last = await admin.last("SESSION", down)

    assert [message.sequence for message in read] == [fence.epoch]
    assert last is not None
    assert last.sequence == fence.epoch
