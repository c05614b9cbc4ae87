"""A claim: the one way for a worker to write to a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from schemas.claim import Claimed
from schemas.codec import decode
from schemas.failure import Failure
from schemas.llm import GenerateRequest, GenerationDone, Message, TokenDelta
from schemas.stt import TranscriptPartial
from schemas.tool import ToolDone, ToolRequest
from schemas.turn import ConverseRequest, TurnEnded, TurnStarted
from subjects.catalog import subject_of
from tests.nats_server import NatsServer
from tests.workers import bus_in, claim_on, jobs_left, new_place
from voicebus.bus.acks import ENDING_S
from voicebus.bus.replay import Recorded
from voicebus.bus.watchdog import EVERY_S
from voicebus.errors import BusTimeout, EngineOverloaded

REQUEST = GenerateRequest(turn=1, messages=(Message(role="user", content="x"),))

TOLD_S = ENDING_S + EVERY_S + 1
"""After this long it is known that a stream is not there: its server may be about to end."""


async def test_everything_carries_the_epoch_of_the_claim(nats_server: str) -> None:
    """Receivers tell the words of an owner from those of one who was."""
    place = new_place()
    subjects = subject_of(TokenDelta, place), subject_of(TranscriptPartial, place)
    async with bus_in(nats_server, place.cell) as bus, bus.listen(*subjects) as inbox:
        claim = await claim_on(bus, place, "llm", REQUEST)
        await bus.flush()
        await claim.publish(TokenDelta(turn=1, text="hello", epoch=99))
        await claim.publish(TranscriptPartial(utterance=1, text="x", start_ms=0, end_ms=1))
        heard = [(await asyncio.wait_for(inbox.next(), 2))[1] for _ in range(2)]

    assert claim.epoch > 0
    assert [event.epoch for event in heard] == [claim.epoch, claim.epoch]


async def test_a_refused_word_says_that_the_claim_is_lost(nats_server: str) -> None:
    """Who learns that another one owns the session learns it from the store."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "llm", REQUEST)
        await claim.publish(TokenDelta(turn=1, text="mine"))
        await bus.claim(Claimed(role="llm", worker="b"), place, "1-0", claim.epoch)
        assert not claim.lost.done()

        await claim.publish(TokenDelta(turn=1, seq=1, text="not mine any more"))
        await asyncio.wait_for(asyncio.shield(claim.lost), 2)
        # A second refusal finds it settled.
        await claim.publish(TokenDelta(turn=1, seq=2, text="nor this"))
        await bus.flush()
        logged = [
            decode(m.payload) async for m in bus.read("SESSION", subject_of(TokenDelta, place))
        ]

    assert [event.seq for event in logged] == [0]


async def test_a_failure_is_said_even_by_one_who_lost_the_claim(nats_server: str) -> None:
    """A failure is not fenced: that something went wrong stays true."""
    place = new_place()
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus.listen(subject_of(Failure, place)) as inbox,
    ):
        claim = await claim_on(bus, place, "llm", REQUEST)
        await bus.claim(Claimed(role="llm", worker="b"), place, "1-0", claim.epoch)
        await claim.fail(EngineOverloaded("come back later"), 1, revision=2)
        _, event = await asyncio.wait_for(inbox.next(), 2)

    assert event == Failure(
        stage="llm",
        code="engine_overloaded",
        message="come back later",
        retryable=True,
        turn=1,
        revision=2,
        epoch=claim.epoch,
    )


async def test_a_job_for_another_worker_waits_in_the_queue(nats_server: str) -> None:
    """A turn's jobs are handed out by the work queue, not by us."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "turn", ConverseRequest(), job="session")
        await claim.start_job(REQUEST, "1-0")
        async with asyncio.timeout(2):
            while not (left := await jobs_left(bus, "llm")):
                await asyncio.sleep(0.01)

    assert left == 1


async def test_a_job_that_cannot_be_queued_fails_its_turn(own_nats_server: NatsServer) -> None:
    """Nobody waits for an answer that nobody was asked for."""
    place = new_place()
    async with (
        bus_in(own_nats_server.url, place.cell) as bus,
        bus.listen(subject_of(Failure, place)) as inbox,
    ):
        claim = await claim_on(bus, place, "turn", ConverseRequest(), job="session")
        await bus.request("$JS.API.STREAM.DELETE.JOBS", b"")
        await claim.start_job(REQUEST, "1-0")
        _, event = await asyncio.wait_for(inbox.next(), TOLD_S)

    assert isinstance(event, Failure)
    assert (event.stage, event.code, event.turn) == ("bus", "bus_unavailable", 1)
    assert event.retryable


async def test_a_call_that_cannot_be_queued_has_failed_and_not_its_turn(
    own_nats_server: NatsServer,
) -> None:
    """The model is told, and nobody else; of what may have been stored, as of what was sent."""
    place = new_place()
    call = ToolRequest(round=1, server="s", name="sell", arguments="", call="c", turn=1, seq=2)
    subjects = subject_of(Failure, place), subject_of(ToolDone, place)
    async with bus_in(own_nats_server.url, place.cell) as bus, bus.listen(*subjects) as inbox:
        claim = await claim_on(bus, place, "turn", ConverseRequest(), job="session")
        await bus.request("$JS.API.STREAM.DELETE.JOBS", b"")
        await claim.start_job(call, "1-0-1-2")
        _, event = await asyncio.wait_for(inbox.next(), TOLD_S)

    assert isinstance(event, ToolDone)
    assert (event.turn, event.round, event.seq, event.failed) == (1, 1, 2, True)
    assert "it is not known whether this was done" in event.content


async def test_kinds_on_one_subject_are_heard_once(nats_server: str) -> None:
    """Two kinds that share a subject are not delivered twice."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "turn", ConverseRequest(), job="session")
        async with claim.listen(TurnStarted, TurnEnded, GenerationDone) as inbox:
            await bus.flush()
            await claim.publish(TurnStarted(turn=1, text="x"))
            await bus.flush()
            await asyncio.sleep(0.05)

            assert len(inbox) == 1


async def test_a_replica_that_lags_is_asked_again(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said before our claim is complete only where our claim is there, too."""
    place, asked = new_place(), []
    async with bus_in(nats_server, place.cell) as bus:
        old = await claim_on(bus, place, "llm", REQUEST)
        await old.publish(TokenDelta(turn=1, text="Hello"))
        claim = await claim_on(bus, place, "llm", REQUEST, attempt=2)
        read = bus.read

        async def lagging(stream: str, subject: str, **since: int) -> AsyncIterator[Recorded]:
            asked.append(subject)
            async for message in read(stream, subject, **since):
                if len(asked) > 2 or message.sequence < old.epoch + 1:
                    yield message

        monkeypatch.setattr(bus, "read", lagging)
        history = await claim.history()

    assert [event.text for event in history if isinstance(event, TokenDelta)] == ["Hello"]
    assert len(asked) == 3


async def test_a_replica_that_never_catches_up_is_an_error_of_the_bus(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody goes on from half of what was said."""
    monkeypatch.setattr("voicebus.claim._CATCH_UP_S", 0.001)
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "llm", REQUEST)
        claim.epoch += 1

        with pytest.raises(BusTimeout, match="catch up"):
            await claim.history()
