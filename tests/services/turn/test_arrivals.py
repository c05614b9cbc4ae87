"""Each message of a session once, whether it came live or only into the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone
from schemas.session import (
    CancelAsked,
    ClientLost,
    ClientReturned,
    PlaybackEnded,
    SessionOpened,
    UserText,
)
from schemas.stt import (
    AudioConsumed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.turn import ConverseRequest, TurnStarted
from services.turn.arrivals import Arrivals, Past, aged
from services.turn.numbers import Numbers
from tests.workers import bus_in, claim_on, new_place
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.claim import Claim


@asynccontextmanager
async def a_session(url: str) -> AsyncIterator[tuple[Bus, Claim, Inbox, Arrivals]]:
    """A session whose live path is what the test puts into the inbox."""
    place = new_place()
    async with bus_in(url, place.cell) as bus:
        claim = await claim_on(bus, place, "turn", ConverseRequest(), job="session")
        inbox = Inbox(64)
        async with Arrivals(claim, inbox) as arrivals:
            yield bus, claim, inbox, arrivals


def final(utterance: int, epoch: int = 0) -> TranscriptFinal:
    """An utterance."""
    return TranscriptFinal(
        utterance=utterance, text="hello", start_ms=0, end_ms=9, end_offset=9, epoch=epoch
    )


async def soon(arrivals: Arrivals, *, is_owed: bool = True) -> Event | None:
    """The next message, or None when it does not come for a long time."""
    due_s = asyncio.get_running_loop().time() + 10
    return await arrivals.next(due_s, is_owed=is_owed)


async def test_what_the_live_path_lost_is_found_in_the_log(nats_server: str) -> None:
    """Where something is waited for, after a second of silence."""
    async with a_session(nats_server) as (bus, claim, inbox, arrivals):
        for event in (UserText(text="one", seq=1), UserText(text="two", seq=2)):
            await bus.store(event, claim.place)
        inbox.put("", UserText(text="one", seq=1))

        assert await soon(arrivals) == UserText(text="one", seq=1)
        assert await soon(arrivals) == UserText(text="two", seq=2)
        inbox.put("", UserText(text="two", seq=2))
        inbox.put("", UserText(text="three", seq=3))
        assert await soon(arrivals) == UserText(text="three", seq=3)


async def test_a_new_connection_makes_it_look_at_once(nats_server: str) -> None:
    """Even where nothing is waited for: the caller may have said something meanwhile."""
    async with a_session(nats_server) as (bus, claim, _, arrivals):
        waiting = asyncio.create_task(soon(arrivals, is_owed=False))
        await asyncio.sleep(0.1)
        await bus.store(final(1), claim.place)
        assert not waiting.done()
        for notify in bus.on_reconnect:
            notify()

        assert await waiting == final(1)


async def test_nothing_is_looked_for_while_nothing_is_owed(nats_server: str) -> None:
    """A thousand quiet sessions cost the bus nothing."""
    async with a_session(nats_server) as (bus, claim, _, arrivals):
        now_s = asyncio.get_running_loop().time()
        assert await arrivals.next(now_s + 1.5, is_owed=False) is None
        await bus.store(final(1), claim.place)

        assert await arrivals.next(now_s + 4, is_owed=False) is None


async def test_what_could_not_be_read_at_first_is_found_soon(nats_server: str) -> None:
    """It was heard before we listened, and stored after we had read; nothing need be owed."""
    async with a_session(nats_server) as (bus, claim, _, arrivals):
        assert await arrivals.past() != []
        await bus.store(UserText(text="one", seq=1), claim.place)
        due_s = asyncio.get_running_loop().time() + 1

        assert await arrivals.next(due_s, is_owed=False) == UserText(text="one", seq=1)


async def test_decisions_of_the_log_are_no_news(nats_server: str) -> None:
    """They are our own; before the beginning they are the past."""
    async with a_session(nats_server) as (bus, claim, _, arrivals):
        await bus.store(SessionOpened(), claim.place)
        assert SessionOpened() in [past.event for past in await arrivals.past()]
        await bus.store(TurnStarted(turn=1, text="x"), claim.place)
        await bus.store(GenerationDone(turn=1, text="y"), claim.place)

        assert await soon(arrivals) == GenerationDone(turn=1, text="y")


async def test_an_outdated_worker_is_not_listened_to(nats_server: str) -> None:
    """Its successor says the same, and may have said it already."""
    async with a_session(nats_server) as (_, _, inbox, arrivals):
        for event in (final(1, epoch=5), final(2, epoch=4), final(1, epoch=6), final(2, epoch=6)):
            inbox.put("", event)

        assert [await soon(arrivals), await soon(arrivals)] == [
            final(1, epoch=5),
            final(2, epoch=6),
        ]


@pytest.mark.parametrize(
    ("event", "other"),
    [
        (final(1), final(2)),
        (UserText(text="a", seq=1), UserText(text="a", seq=2)),
        (UserText(text="a", seq=1), PlaybackEnded(turn=1, played_ms=0, seq=1)),
        (AudioConsumed(end_offset=1, finals=0), AudioConsumed(end_offset=2, finals=0)),
        (
            Failure(stage="stt", code="engine", message="m", epoch=3, seq=1),
            Failure(stage="stt", code="engine", message="m", epoch=3, seq=2),
        ),
    ],
)
def test_numbers_tell_messages_apart(event: Event, other: Event) -> None:
    """The same message is known the second time, its like is not."""
    numbers = Numbers()

    assert [numbers.is_new(each) for each in (event, event, other)] == [True, False, True]


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (ClientReturned(seq=-3), ClientLost(seq=-2)),
        (UserText(text="a", seq=7), CancelAsked(seq=5)),
        (CancelAsked(seq=7), CancelAsked(seq=5)),
    ],
)
def test_what_was_overtaken_means_nothing_any_more(newer: Event, older: Event) -> None:
    """It was stored late: the client is back, and nobody asked to stop what was asked for since."""
    numbers = Numbers()

    assert [numbers.is_new(each) for each in (newer, older)] == [True, False]
    in_order = Numbers()
    assert [in_order.is_new(each) for each in (older, newer)] == [True, True]


def test_what_was_typed_is_never_overtaken() -> None:
    """It is answered, if late; an edge counts its own orders downwards, and anew elsewhere."""
    numbers = Numbers()
    events = [UserText(text="b", seq=7), UserText(text="a", seq=5), CancelAsked(seq=-4)]
    events += [ClientReturned(seq=-9)]
    assert [numbers.is_new(each) for each in events] == [True] * 4

    numbers.move()
    assert numbers.is_new(ClientLost(seq=-2))


def heard(utterance: int) -> list[Event]:
    """What is told of an utterance while it is spoken: a second of it, every two seconds."""
    start_ms = 2000 * utterance
    end_ms = start_ms + 1000
    return [
        SpeechStarted(start_ms=start_ms),
        TranscriptPartial(utterance=utterance, text="he", start_ms=start_ms, end_ms=end_ms),
        SpeechPaused(utterance=utterance, end_ms=end_ms),
        SpeechResumed(utterance=utterance, start_ms=start_ms + 500),
        TranscriptDraft(utterance=utterance, text="hello", end_ms=end_ms),
    ]


def test_what_was_heard_before_a_final_is_no_news_behind_it() -> None:
    """A final is read from the log while what came before it waits: nobody begins to speak anew."""
    numbers = Numbers()
    settled = TranscriptFinal(
        utterance=2, text="hello", start_ms=4000, end_ms=5000, end_offset=80_000
    )

    assert all(map(numbers.is_new, heard(2)))
    assert numbers.is_new(settled)
    assert not any(map(numbers.is_new, [*heard(1), *heard(2)]))
    assert all(map(numbers.is_new, heard(3)))


def test_what_was_made_for_a_draft_comes_after_the_start_of_its_turn() -> None:
    """And each message has the age that it had when the last one was stored."""
    clause = ClauseReady(turn=1, text="Hi.")
    begun = TurnStarted(turn=1, text="hello")
    past = [Past(clause, 1_000_000_000), Past(begun, 2_000_000_000), Past(final(2), 2_500_000_000)]

    assert list(aged(past)) == [(begun, 500.0), (clause, 1500.0), (final(2), 0.0)]
