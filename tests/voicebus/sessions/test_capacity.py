"""Admission with real workers: busy is said at once, and never while there is room."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from edge.clock import now_s
from schemas.claim import Presence
from schemas.codec import encode
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from subjects.processes import presence_subject
from subjects.tokens import new_token
from tests.workers import bus_in, worker_in
from voicebus.bus.client import Bus
from voicebus.claim import Claim
from voicebus.errors import Busy, NoWorker, VoicebusError
from voicebus.sessions.capacity import Capacity
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions
from voicebus.worker import Role


async def hold(claim: Claim) -> None:
    """Hold a session for as long as it lasts."""
    await asyncio.Event().wait()


@asynccontextmanager
async def edge_in(url: str, cell: str, *needed: str) -> AsyncIterator[Sessions]:
    """An edge's sessions, with its admission."""
    async with bus_in(url, cell) as bus, asyncio.TaskGroup() as group:
        capacity = Capacity(bus, needed)
        sessions = Sessions(bus, new_token("e"), "test", 100, "", capacity)
        helpers = [group.create_task(sessions.run()), group.create_task(capacity.run())]
        await bus.flush()
        yield sessions
        for helper in helpers:
            helper.cancel()


def turn_worker(slots: int, name: str = "w") -> Role:
    """A worker that leads so many conversations."""
    return Role(name="turn", slots=slots, engine="test", worker=name)


async def opened(
    sessions: Sessions, stack: contextlib.AsyncExitStack
) -> Session | type[VoicebusError]:
    """A session, or why there is none."""
    try:
        session = await stack.enter_async_context(sessions.open("test"))
    except VoicebusError as err:
        return type(err) if err.retry_after_s else VoicebusError
    await session.converse(ConverseRequest())
    return session


async def promised(bus: Bus, wanted: int) -> None:
    """Wait until the edge says that it keeps so many places."""
    async with bus.listen(presence_subject(bus.cell, "edge", "*")) as inbox, asyncio.timeout(10):
        async for _, event in inbox:
            if isinstance(event, Presence) and event.promised == wanted:
                return


async def test_an_edge_tells_for_how_many_it_keeps_a_listener_until_they_speak(
    nats_server: str,
) -> None:
    """From the first audio on there is a job, which counts by itself."""
    cell = new_token("c")
    async with (
        bus_in(nats_server, cell) as bus,
        worker_in(nats_server, cell, turn_worker(4), hold),
        edge_in(nats_server, cell, "turn") as sessions,
        contextlib.AsyncExitStack() as stack,
    ):
        first, second = await opened(sessions, stack), await opened(sessions, stack)
        assert isinstance(first, Session)
        assert isinstance(second, Session)
        await promised(bus, 2)
        await first.send_audio(b"\0\0", TranscribeRequest())
        await promised(bus, 1)
        await stack.aclose()
        await promised(bus, 0)


async def test_the_one_too_many_is_told_at_once(nats_server: str) -> None:
    """A crowd of six for four places: four are served, two are told to come back."""
    cell = new_token("c")
    async with (
        worker_in(nats_server, cell, turn_worker(4), hold),
        edge_in(nats_server, cell, "turn") as sessions,
        contextlib.AsyncExitStack() as stack,
    ):
        come = [await opened(sessions, stack) for _ in range(6)]
        begun_s = now_s()
        assert [type(one) for one in come[:4]] == [Session] * 4
        assert come[4:] == [Busy, Busy]
        for session in come[:4]:
            assert isinstance(session, Session)
            async with asyncio.timeout(5):
                await session.inbox.next()  # a worker has taken it
        assert await opened(sessions, stack) is Busy
        assert now_s() - begun_s < 5


async def test_an_edge_tells_at_once_whom_it_has_sent_away(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts workers would not know of them otherwise, or only with its next beat."""
    monkeypatch.setattr("voicebus.sessions.beats.PRESENCE_S", 60.0)
    cell = new_token("c")
    async with (
        bus_in(nats_server, cell) as bus,
        worker_in(nats_server, cell, turn_worker(1), hold),
        edge_in(nats_server, cell, "turn") as sessions,
        bus.listen(presence_subject(cell, "edge", "*")) as inbox,
        contextlib.AsyncExitStack() as stack,
    ):
        for wanted in (Session, Busy, Busy):
            come = await opened(sessions, stack)
            assert come is wanted or isinstance(come, Session)
        async with asyncio.timeout(10):
            async for _, event in inbox:
                if isinstance(event, Presence) and event.refused == 2:
                    return


async def test_a_place_that_is_free_again_is_given_at_once(nats_server: str) -> None:
    """Nobody waits for the worker's next sign of life."""
    cell = new_token("c")
    async with (
        worker_in(nats_server, cell, turn_worker(1), hold),
        edge_in(nats_server, cell, "turn") as sessions,
    ):
        for _ in range(3):
            async with contextlib.AsyncExitStack() as stack:
                assert isinstance(await opened(sessions, stack), Session)
                assert await opened(sessions, stack) is Busy


async def test_after_the_start_nobody_is_let_in_or_refused_blindly(nats_server: str) -> None:
    """Who comes first waits until it is known who is there, and no longer than that."""
    cell = new_token("c")
    async with (
        edge_in(nats_server, cell, "turn") as sessions,
        contextlib.AsyncExitStack() as stack,
    ):
        first = asyncio.create_task(opened(sessions, stack))
        await asyncio.sleep(0.3)
        assert not first.done()
        async with worker_in(nats_server, cell, turn_worker(1), hold):
            async with asyncio.timeout(10):
                assert isinstance(await first, Session)


async def test_who_is_there_answers_an_edge_that_comes(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that comes to an edge which was started again does not wait for the next beat."""
    monkeypatch.setattr("voicebus.vitals.PRESENCE_S", 60.0)
    cell = new_token("c")
    async with worker_in(nats_server, cell, turn_worker(1), hold):
        await asyncio.sleep(0.3)
        async with (
            edge_in(nats_server, cell, "turn") as sessions,
            contextlib.AsyncExitStack() as stack,
        ):
            assert isinstance(await opened(sessions, stack), Session)


async def test_one_that_is_full_does_not_speak_for_all(nats_server: str) -> None:
    """After the start, the first worker that is heard may have no place, and the next one may."""
    cell = new_token("c")
    async with (
        worker_in(nats_server, cell, turn_worker(0, "full"), hold),
        edge_in(nats_server, cell, "turn") as sessions,
        contextlib.AsyncExitStack() as stack,
    ):
        first = asyncio.create_task(opened(sessions, stack))
        await asyncio.sleep(0.3)
        async with worker_in(nats_server, cell, turn_worker(1), hold):
            async with asyncio.timeout(10):
                assert isinstance(await first, Session)


async def test_without_a_worker_it_is_said_so(nats_server: str) -> None:
    """Once everybody had the time to speak; a worker that comes is known at once."""
    cell = new_token("c")
    async with (
        edge_in(nats_server, cell, "turn", "llm") as sessions,
        contextlib.AsyncExitStack() as stack,
    ):
        assert await opened(sessions, stack) is NoWorker
        llm = Role(name="llm", slots=1, engine="test", worker="l")
        async with (
            worker_in(nats_server, cell, turn_worker(1), hold),
            worker_in(nats_server, cell, llm, hold),
        ):
            deadline_s = now_s() + 10
            while not isinstance(come := await opened(sessions, stack), Session):
                assert now_s() < deadline_s
                await asyncio.sleep(0.05)
            assert isinstance(come, Session)


async def test_who_drains_gets_no_more_sessions(nats_server: str) -> None:
    """A worker that leaves is counted out: by what it says at last, or by its silence."""
    cell = new_token("c")
    async with (
        worker_in(nats_server, cell, turn_worker(1), hold) as running,
        edge_in(nats_server, cell, "turn") as sessions,
        contextlib.AsyncExitStack() as stack,
    ):
        assert isinstance(await opened(sessions, stack), Session)
        await running.stop()
        deadline_s = now_s() + 40
        while (come := await opened(sessions, stack)) is Busy:
            assert now_s() < deadline_s
            await asyncio.sleep(0.2)
        assert come is NoWorker


async def test_an_errand_needs_no_conversation(nats_server: str) -> None:
    """Where nobody leads conversations, or all who do are busy, a text can still be written."""
    cell = new_token("c")
    writer = Role(name="llm", slots=1, engine="test", worker="l")
    async with (
        worker_in(nats_server, cell, writer, hold),
        edge_in(nats_server, cell, "turn") as sessions,
    ):
        async with sessions.open("test", roles=("llm",)):
            errands = len(sessions)
        with pytest.raises(NoWorker, match="turn"):
            await sessions.expect_place()
        with pytest.raises(NoWorker, match="tts"):
            await sessions.expect_place(("llm", "tts"))

    assert errands == 1


async def test_free_places_go_with_the_last_worker(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is killed says nothing any more; its places are not told as free for ever."""
    monkeypatch.setattr("voicebus.sessions.room.GONE_S", 2.0)
    cell = new_token("c")

    def free() -> float | None:
        return REGISTRY.get_sample_value("voicebus_edge_free_slots", {"role": "turn"})

    async with bus_in(nats_server, cell) as bus, edge_in(nats_server, cell, "turn"):
        alive = Presence(role="turn", worker="w", slots=7, busy=0, state="ready")
        await bus.announce(presence_subject(cell, "turn", "w"), encode(alive))
        async with asyncio.timeout(60):
            while free() != 7:
                await asyncio.sleep(0.05)
            while free() != 0:
                await asyncio.sleep(0.05)

        assert free() == 0
