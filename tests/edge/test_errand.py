"""Work for the fleet without a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from edge.budgets import Uploads
from edge.errand import MAX_REQUEST_BYTES, Errand, Patience, open_errand
from edge.guest import Keyed
from edge.keys import Keys
from edge.settings import EdgeSettings
from edge.visit import Visit
from schemas.claim import Claimed
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, Message, TokenDelta
from schemas.session import SessionClosed, SessionOpened
from subjects.catalog import Place, subject_of
from subjects.tokens import new_token
from tests.workers import bus_in
from voicebus.bus.client import Bus
from voicebus.errors import BusUnavailable, Busy, EngineTimeout, LimitReached, ProtocolError
from voicebus.sessions.sessions import Sessions
from voicebus.sessions.stage_failed import StageFailed

ASK = GenerateRequest(turn=1, messages=(Message(role="user", content="hello"),))
PATIENCE = Patience(claim_s=5.0, stall_s=5.0)


class Scene:
    """An errand on one side, and the test in the place of its worker on the other."""

    def __init__(self, bus: Bus, errand: Errand) -> None:
        self._bus = bus
        self.errand = errand

    async def claim(self) -> None:
        """Take the job as a worker does."""
        claimed = Claimed(role="llm", worker="w", turn=1)
        await self._bus.claim(claimed, self.errand.session.place, "1-0", 0)

    async def say(self, *events: Event) -> None:
        """Publish as a worker does."""
        for event in events:
            await self._bus.publish(event, self.errand.session.place)

    async def heard(self, count: int) -> list[Event]:
        """What the errand yields first."""
        events: list[Event] = []
        async for event in self.errand.events():
            events.append(event)
            if len(events) == count:
                break
        return events


@asynccontextmanager
async def scene(url: str, patience: Patience = PATIENCE) -> AsyncIterator[Scene]:
    """Open an errand on a bus without workers."""
    settings = EdgeSettings()
    async with bus_in(url, new_token("c")) as bus:
        sessions = Sessions(bus, new_token("e"), "websocket", 10)
        running = asyncio.create_task(sessions.run())
        await bus.flush()
        visit = Visit(settings, (), Keyed(None, Keys(None)), None, Uploads(settings.uploads_bytes))
        try:
            async with open_errand(sessions, visit, "openai", ("llm",), patience) as errand:
                yield Scene(bus, errand)
        finally:
            running.cancel()
            await asyncio.wait((running,))


def delta(seq: int, **fields: Any) -> TokenDelta:
    """A piece of a reply."""
    return TokenDelta(turn=1, seq=seq, text=str(seq), **fields)


async def test_what_a_worker_says_comes_once_and_in_order(nats_server: str) -> None:
    """What was here before is dropped: a worker that takes over may say it again."""
    async with scene(nats_server) as opened:
        await opened.errand.ask(ASK)
        await opened.claim()
        await opened.say(delta(0), delta(1), delta(1, epoch=9), delta(2, epoch=9))
        events = await opened.heard(3)

    assert [getattr(event, "text", "") for event in events] == ["0", "1", "2"]


async def test_an_answer_with_a_hole_is_none(nats_server: str) -> None:
    """The client is told to ask again, and not given the rest."""
    async with scene(nats_server) as opened:
        await opened.errand.ask(ASK)
        await opened.say(delta(0), delta(2))
        with pytest.raises(BusUnavailable, match="lost"):
            await opened.heard(3)


async def test_a_failure_is_raised_as_it_was_told(nats_server: str) -> None:
    """Code, sentence and whether it makes sense to try again."""
    failure = Failure(turn=1, stage="llm", code="engine_timeout", message="Slow.", retryable=True)
    async with scene(nats_server) as opened:
        await opened.errand.ask(ASK)
        await opened.say(failure)
        with pytest.raises(StageFailed) as failed:
            await opened.heard(1)

    error = failed.value
    assert (error.stage, error.code, str(error), error.retryable) == (
        "llm",
        "engine_timeout",
        "Slow.",
        True,
    )


async def test_without_a_worker_the_wait_has_an_end(nats_server: str) -> None:
    """All are busy, and the client is to come back."""
    async with scene(nats_server, Patience(claim_s=0.1, stall_s=9.0)) as opened:
        await opened.errand.ask(ASK)
        with pytest.raises(Busy) as busy:
            await opened.heard(1)

    assert busy.value.retry_after_s > 0


async def test_what_waits_for_its_turn_is_not_given_up(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers of one request share the workers that there are: each event counts for all."""
    clock_s = 100.0
    monkeypatch.setattr("edge.errand.now_s", lambda: clock_s)
    async with scene(nats_server, Patience(claim_s=30.0, stall_s=30.0)) as opened:
        await opened.errand.ask(ASK)
        await opened.errand.ask(msgspec.structs.replace(ASK, turn=2))
        await opened.claim()
        for number in range(3):
            await opened.say(delta(number))
            await opened.heard(1)
            clock_s += 20.0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(opened.heard(1), 0.2)
        clock_s += 20.0
        with pytest.raises(Busy):
            await opened.heard(1)


async def test_a_worker_that_says_nothing_is_not_waited_for_for_ever(nats_server: str) -> None:
    """It took the job; that is all that was heard of it."""
    async with scene(nats_server, Patience(claim_s=5.0, stall_s=0.2)) as opened:
        await opened.errand.ask(ASK)
        await opened.claim()
        with pytest.raises(EngineTimeout):
            await opened.heard(1)


async def test_a_job_that_no_message_can_hold_is_refused(nats_server: str) -> None:
    """Before it is published: the bus would close the connection."""
    words = Message(role="user", content="x" * MAX_REQUEST_BYTES)
    async with scene(nats_server) as opened:
        with pytest.raises(ProtocolError) as refused:
            await opened.errand.ask(GenerateRequest(turn=1, messages=(words,)))

    assert refused.value.reason == "request_too_large"


async def test_its_end_is_the_session_s(nats_server: str) -> None:
    """Workers stop when the session is closed, and find it closed who come later."""
    async with bus_in(nats_server, new_token("c")) as bus:
        edge = new_token("e")
        sessions = Sessions(bus, edge, "websocket", 10)
        closed = subject_of(SessionClosed, Place(bus.cell, edge, "*"))
        visit = Visit(EdgeSettings(), (), Keyed(None, Keys(None)), None, Uploads(0))
        async with bus.listen(closed) as inbox:
            async with open_errand(sessions, visit, "openai", ("llm",), PATIENCE):
                await bus.flush()
            said = [type((await inbox.next())[1]) for _ in range(2)]

    assert said == [SessionOpened, SessionClosed]


async def test_a_caller_s_share_counts(nats_server: str) -> None:
    """As turns of a conversation do."""
    settings = EdgeSettings(session_turns_per_min=1)
    async with bus_in(nats_server, new_token("c")) as bus:
        sessions = Sessions(bus, new_token("e"), "websocket", 10)
        visit = Visit(settings, (), Keyed(None, Keys(None)), None, Uploads(settings.uploads_bytes))
        async with open_errand(sessions, visit, "openai", ("llm",), PATIENCE):
            with pytest.raises(LimitReached):
                async with open_errand(sessions, visit, "openai", ("llm",), PATIENCE):
                    pass


async def test_who_is_refused_has_had_no_turn(nats_server: str) -> None:
    """It asks again, as it was told to, and its share is there."""
    settings = EdgeSettings(session_turns_per_min=1)
    async with bus_in(nats_server, new_token("c")) as bus:
        sessions = Sessions(bus, new_token("e"), "websocket", 1)
        visit = Visit(settings, (), Keyed(None, Keys(None)), None, Uploads(settings.uploads_bytes))
        async with sessions.open("websocket"):
            for _ in range(3):
                with pytest.raises(Busy):
                    async with open_errand(sessions, visit, "openai", ("llm",), PATIENCE):
                        pass
        async with open_errand(sessions, visit, "openai", ("llm",), PATIENCE):
            pass


async def test_an_edge_that_drains_ends_its_errands(nats_server: str) -> None:
    """Who waits is told, and may ask another edge."""
    async with scene(nats_server) as opened:
        await opened.errand.ask(ASK)
        opened.errand.session.inbox.close()
        with pytest.raises(BusUnavailable, match="shutting down"):
            await opened.heard(1)
