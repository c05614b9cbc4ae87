"""What was on its way when the bus died, or the connection to it, is sent again and counts once."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from schemas.llm import TokenDelta
from schemas.session import UserText
from schemas.stt import TranscriptPartial
from subjects.catalog import subject_of
from tests.metered import Growth
from tests.nats_server import NatsServer
from tests.voicebus.bus.sending import COUNT, cut, heard, log_of, speakers
from tests.workers import bus_in, new_place, until
from voicebus import metrics
from voicebus.bus import outbox


async def end_again(end: Callable[[], None], server: NatsServer, chance: random.Random) -> None:
    """End the server at some moment and start it again at another, twice."""
    for _ in range(2):
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        await asyncio.to_thread(end)
        await asyncio.sleep(chance.choice((0.0, chance.uniform(0.0, 0.8))))
        await asyncio.to_thread(server.start)


# nats-py leaves the socket of a server that died while it connected to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BURST, LONG = 500, 20_000
"""Of so many messages of so many bytes, a connection that nobody reads takes a part."""

SEEDS = [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("end", [NatsServer.kill, NatsServer.stop], ids=["killed", "stopped"])
async def test_nothing_is_missing_from_the_log_after_the_server_ended(
    own_nats_server: NatsServer, end: Callable[[NatsServer], None], seed: int
) -> None:
    """Ended twice while two processes publish: the log has each message once and in order, and who
    listens has nothing twice.

    One that is stopped in good order refuses for a moment what it does not store any more.
    """
    chance = random.Random(seed)
    async with speakers(own_nats_server) as (both, inbox):
        killing = asyncio.create_task(
            end_again(partial(end, own_nats_server), own_nats_server, chance)
        )
        await both.speak(lambda: chance.choice((0.0, 0.0, chance.uniform(0.0, 0.03))))
        await killing
        await both.expect_complete()

        for kind in (TokenDelta, UserText):
            numbers = heard(inbox, kind)
            assert numbers == sorted(set(numbers))
            assert numbers[-1] == COUNT - 1


async def test_a_connection_that_breaks_loses_nothing(own_nats_server: NatsServer) -> None:
    """The server goes on; who publishes and who listens have everything, each message once."""
    before = metrics.BUS_SENT_AGAIN.labels("SESSION")._value.get()
    async with speakers(own_nats_server) as (both, inbox):
        spoken = itertools.count(1)

        def cut_often() -> float:
            """Cut as soon as something was published: nobody can have acknowledged it yet."""
            if next(spoken) % 60 == 0:
                cut(both.worker)
                cut(both.edge)
            return 0.005

        await both.speak(cut_often)
        await both.expect_complete()
        await until(lambda: len(inbox) >= 2 * COUNT, limit_s=10)

        assert heard(inbox, TokenDelta) == list(range(COUNT))
        assert heard(inbox, UserText) == list(range(COUNT))
    assert metrics.BUS_SENT_AGAIN.labels("SESSION")._value.get() > before


async def test_what_is_of_the_moment_is_dropped_without_a_connection(
    own_nats_server: NatsServer,
) -> None:
    """A partial of before is of no use later; what is recorded comes, and comes first."""
    growth = Growth()
    place = new_place()
    async with speakers(own_nats_server) as (both, inbox):
        subject = subject_of(TranscriptPartial, place)
        async with both.edge.listen(subject) as partials:
            await both.edge.flush()
            await asyncio.to_thread(own_nats_server.kill)
            await until(lambda: not both.worker.is_connected)
            old = TranscriptPartial(utterance=1, text="old", start_ms=0, end_ms=1)
            await both.worker.publish(old, place)
            await both.edge.publish(UserText(text="kept"), both.place)
            await asyncio.to_thread(own_nats_server.start)
            await until(lambda: both.worker._outbox.is_open and both.edge.is_connected)
            await both.edge.flush()
            new = TranscriptPartial(utterance=1, text="new", start_ms=0, end_ms=2)
            await both.worker.publish(new, place)
            _, first = await asyncio.wait_for(partials.next(), 5)
        texts = await log_of(both.worker, "SESSION", subject_of(UserText, both.place))

    assert first == new
    assert [text for text in texts if isinstance(text, UserText)] == [UserText(text="kept")]
    assert len(inbox) <= 1
    assert growth.of("voicebus_bus_unsent_total") == 1


async def test_what_the_client_library_had_not_written_yet_keeps_its_place(
    own_nats_server: NatsServer,
) -> None:
    """A frozen server takes nothing more: much of a burst is still here when the connection breaks.
    It goes out behind what was on its way before it.
    """
    async with speakers(own_nats_server) as (both, inbox):
        own_nats_server.pause()
        try:
            for number in range(BURST):
                token = TokenDelta(turn=1, seq=number, text="x" * LONG)
                await both.worker.publish(token, both.place, both.fence, both.outcomes)
                await asyncio.sleep(0)
            was_left = len(both.worker._nats._pending)
            cut(both.worker)
        finally:
            own_nats_server.resume()
        await until(lambda: len(both.outcomes) == BURST, limit_s=40)
        tokens = await log_of(both.worker, "SESSION", subject_of(TokenDelta, both.place))
        await until(lambda: len(inbox) >= BURST, limit_s=10)

        assert was_left > 0
        assert heard(inbox, TokenDelta) == list(range(BURST))
    assert both.outcomes.errors() == []
    assert [token.seq for token in tokens] == list(range(BURST))


async def test_those_who_come_back_a_moment_later_hear_it_too(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that died has lost all connections; what is sent again waits until most are back."""
    monkeypatch.setattr(outbox, "OTHERS_S", 1.5)
    place = new_place()
    async with (
        bus_in(own_nats_server.url, place.cell, "edge") as edge,
        bus_in(own_nats_server.url, place.cell, "listener") as listener,
        listener.listen(subject_of(UserText, place)) as inbox,
    ):
        await listener.flush()
        connect = listener._nats._select_next_server

        async def connect_late() -> None:
            await asyncio.sleep(0.5)
            await connect()

        monkeypatch.setattr(listener._nats, "_select_next_server", connect_late)
        await asyncio.to_thread(own_nats_server.kill)
        await until(lambda: not edge.is_connected and not listener.is_connected)
        await edge.publish(UserText(text="x"), place)
        await asyncio.to_thread(own_nats_server.start)
        _, event = await asyncio.wait_for(inbox.next(), 10)

    assert event == UserText(text="x")


async def test_a_session_that_ends_waits_for_what_it_wrote(own_nats_server: NatsServer) -> None:
    """What is settled is stored: not before the connection is there again."""
    async with speakers(own_nats_server) as (both, _):
        await asyncio.to_thread(own_nats_server.kill)
        await until(lambda: not both.worker.is_connected)
        await both.worker.publish(TokenDelta(turn=1, text="x"), both.place, both.fence)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await both.worker.settled(both.fence.subject)
        was_settled_early = not both.worker._storing._unsettled._counts
        await asyncio.to_thread(own_nats_server.start)
        begun_s = time.monotonic()
        async with asyncio.timeout(10):
            await both.worker.settled(both.fence.subject)
        tokens = await log_of(both.worker, "SESSION", subject_of(TokenDelta, both.place))

    assert not was_settled_early
    assert len(tokens) == 1
    assert time.monotonic() - begun_s < 10
