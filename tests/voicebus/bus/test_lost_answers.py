"""Answers of the server that were lost with a connection: nobody knows what was stored."""

from __future__ import annotations

import asyncio

import pytest

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.llm import GenerateRequest, TokenDelta
from schemas.session import UserText
from subjects.catalog import subject_of
from tests.nats_server import NatsServer
from tests.voicebus.bus.sending import (
    Outcomes,
    audio_in,
    chunk,
    heard,
    log_of,
    speakers,
    without_answers,
)
from tests.voicebus.toys import ASKED
from tests.workers import bus_in, new_place, until
from voicebus import metrics
from voicebus.bus.client import Fence
from voicebus.errors import Fenced

SMALL = 5

EITHER = pytest.mark.parametrize("is_killed", [False, True], ids=["cut", "killed"])
"""The connection breaks, or the server dies."""


@EITHER
async def test_what_the_store_has_is_not_stored_again(
    own_nats_server: NatsServer,
    is_killed: bool,
) -> None:
    """It is sent again, because nobody knows: words, orders and jobs are stored and heard once. A
    copy of the audio is stored, and its readers drop it.
    """
    copies = metrics.BUS_COPIES._value.get()
    async with speakers(own_nats_server) as (both, inbox):

        async def speak() -> None:
            await both.speak(lambda: 0.0, SMALL)

        dies = own_nats_server if is_killed else None
        await without_answers(both.worker, both.edge, work=speak, dies=dies)
        was_told = len(both.outcomes)
        await both.expect_complete(SMALL)
        chunks = await log_of(both.edge, "AUDIO", subject_of(AudioChunk, both.place))
        await until(lambda: metrics.BUS_COPIES._value.get() >= copies + SMALL or is_killed)

        assert was_told == 0
        assert heard(inbox, TokenDelta) == heard(inbox, UserText) == list(range(SMALL))
    assert chunks == [chunk(number) for number in (*range(SMALL), *range(SMALL))]
    assert len(audio_in(chunks)) == len(b"".join(chunk(number).pcm for number in range(SMALL)))


@EITHER
async def test_a_lost_acknowledgement_is_none_lost(
    own_nats_server: NatsServer,
    is_killed: bool,
) -> None:
    """Who waits for a message to be stored is told where it was, and it was once."""
    place = new_place()
    asked = GenerateRequest(turn=1, messages=ASKED)
    async with bus_in(own_nats_server.url, place.cell) as bus:
        first = await bus.store(asked, place, job="1-0")
        storing: list[asyncio.Task[int]] = []

        async def store() -> None:
            storing.append(asyncio.create_task(bus.store(asked, place, job="2-0")))
            await asyncio.sleep(0)

        await without_answers(bus, work=store, dies=own_nats_server if is_killed else None)
        second = await asyncio.wait_for(storing[0], 10)
        jobs = [m.sequence async for m in bus.read("JOBS", subject_of(GenerateRequest, place))]

    assert jobs == [first, second]


@EITHER
async def test_a_claim_whose_acknowledgement_was_lost_is_ours(
    own_nats_server: NatsServer,
    is_killed: bool,
) -> None:
    """It is refused when it is sent again, because of itself; that is no other owner."""
    place = new_place()
    async with bus_in(own_nats_server.url, place.cell) as bus:
        claiming: list[asyncio.Task[Fence]] = []

        async def claim() -> None:
            claimed = Claimed(role="llm", worker="a")
            claiming.append(asyncio.create_task(bus.claim(claimed, place, "1-0", 0)))
            await asyncio.sleep(0)

        await without_answers(bus, work=claim, dies=own_nats_server if is_killed else None)
        fence = await asyncio.wait_for(claiming[0], 10)
        claims = [m.sequence async for m in bus.read("SESSION", fence.subject)]

    assert claims == [fence.epoch]


async def test_an_outdated_owner_is_refused_the_second_time_too(
    own_nats_server: NatsServer,
) -> None:
    """It did not hear that the store refused it, and sends its words again: nobody stores them."""
    place, outcomes = new_place(), Outcomes()
    async with (
        bus_in(own_nats_server.url, place.cell) as old,
        bus_in(own_nats_server.url, place.cell) as new,
    ):
        own = await old.claim(Claimed(role="llm", worker="a"), place, "1-0", 0)
        await new.claim(Claimed(role="llm", worker="b", delivery=2), place, "1-0", own.epoch)

        async def speak() -> None:
            for number in range(5):
                await old.publish(TokenDelta(turn=1, seq=number, text="x"), place, own, outcomes)

        await without_answers(old, work=speak)
        was_told = len(outcomes)
        await until(lambda: len(outcomes) == 5, limit_s=10)
        tokens = await log_of(new, "SESSION", subject_of(TokenDelta, place))

    assert was_told == 0
    assert [type(error) for error in outcomes.errors()] == [Fenced] * 5
    assert tokens == []
