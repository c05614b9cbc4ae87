"""Who may bring a session to another edge, what counts of its past, and what is told again."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from schemas.codec import decode
from schemas.event import Event
from schemas.llm import ClauseReady, GenerationDone
from schemas.session import SessionClosed, SessionOpened, UserText
from schemas.stt import TranscriptFinal
from schemas.tts import SpeechDone
from schemas.turn import (
    ConverseRequest,
    HangUp,
    Return,
    SessionMoved,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from services.turn.admission import Links
from services.turn.arrivals import Arrivals, Past
from services.turn.returning import missed, move, once
from services.turn.settings import TurnSettings
from services.turn.worker import converse
from subjects.catalog import Place
from subjects.tokens import new_token
from tests.workers import bus_in, claim_on, new_place
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.claim import Claim
from voicebus.errors import SessionExpired
from voicebus.origins import counted, departure, origins
from voicebus.tracing.spans import Span
from voicebus.tracing.tracing import Tracing

TOKEN = "the token"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()


def elsewhere(place: Place) -> Place:
    """A session at another edge of the same cell."""
    return Place(place.cell, new_token("e"), new_token("s"))


def asked(place: Place, token: str = TOKEN, utterance: int = 0) -> Return:
    """What a client asks for that was at a place."""
    return Return(session=place.session, token=token, utterance=utterance)


async def claim_at(bus: Bus, place: Place) -> Claim:
    """Claim a session at its new place."""
    return await claim_on(bus, place, "turn", ConverseRequest(), job="session")


def final(utterance: int, *, is_forced: bool = False) -> TranscriptFinal:
    """An utterance, ended by a pause or because no audio came any more."""
    return TranscriptFinal(
        utterance=utterance,
        text="x",
        start_ms=0,
        end_ms=1,
        end_offset=16,
        cause="forced" if is_forced else "pause",
    )


async def test_the_token_brings_a_session_to_its_new_place(nats_server: str) -> None:
    """And from there to a third one, with the first token or the second."""
    first = new_place()
    second, third = elsewhere(first), elsewhere(first)
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), first)
        await move(await claim_at(bus, second), asked(first))
        await origins(bus, second, awaited=True)
        await move(await claim_at(bus, third), asked(first))
        way = await origins(bus, third, awaited=True)

    assert [origin.place for origin in way] == [first, second]


@pytest.mark.parametrize("session", ["", "*", ">", "s0", "a.b"])
async def test_a_session_that_is_not_there_does_not_move(nats_server: str, session: str) -> None:
    """Whatever its name is made of."""
    first = new_place()
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), first)
        with pytest.raises(SessionExpired):
            await move(await claim_at(bus, elsewhere(first)), Return(session=session, token=TOKEN))

        assert await departure(bus, first) is None


@pytest.mark.parametrize("ticket", [DIGEST, ""])
async def test_a_wrong_token_moves_nothing(nats_server: str, ticket: str) -> None:
    """Nor does any, where the client said that it would not come back."""
    first = new_place()
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=ticket), first)
        claim = await claim_at(bus, elsewhere(first))
        for token in ("another", "", DIGEST):
            with pytest.raises(SessionExpired):
                await move(claim, asked(first, token))

        assert await departure(bus, first) is None


async def test_another_edge_cannot_answer_for_the_session(nats_server: str) -> None:
    """It opens one of the same name with a token of its own: that is another session."""
    first = new_place()
    impostor = Place(first.cell, new_token("e"), first.session)
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), first)
        own = hashlib.sha256(b"own").hexdigest()
        await bus.store(SessionOpened(ticket=own), impostor)
        await move(await claim_at(bus, elsewhere(first)), asked(first, "own"))

        assert await departure(bus, first) is None
        assert await departure(bus, impostor) is not None


async def test_a_session_that_was_closed_stays_closed(nats_server: str) -> None:
    """The client said goodbye, or was away for too long."""
    first = new_place()
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), first)
        await bus.store(SessionClosed(), first)
        with pytest.raises(SessionExpired):
            await move(await claim_at(bus, elsewhere(first)), asked(first))

        assert await departure(bus, first) is None


async def test_a_ticket_that_is_no_text_of_ours_opens_nothing(nats_server: str) -> None:
    """An edge may write what it likes under its own name; it does not keep others' clients out."""
    first = new_place()
    forger = Place(first.cell, new_token("e"), first.session)
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket="\u00e9"), forger)
        await bus.store(SessionOpened(ticket=DIGEST), first)
        second = elsewhere(first)
        await move(await claim_at(bus, second), asked(first))

        assert await departure(bus, first) is not None


async def test_a_place_where_nobody_had_time_for_a_session_is_passed(nats_server: str) -> None:
    """The client was told to try again; it does, elsewhere, and nothing of the past is missing."""
    first = new_place()
    second, third = elsewhere(first), elsewhere(first)
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), first)
        await bus.store(SessionMoved(edge=second.edge, session=second.session), first)
        await bus.store(SessionClosed(reason="no_worker"), second)
        await move(await claim_at(bus, third), asked(first))
        way = await origins(bus, third, awaited=True)

    assert [origin.place for origin in way] == [first, second]


async def test_nobody_takes_a_session_to_where_its_client_is_not(nats_server: str) -> None:
    """The job was taken too late: its edge had given up waiting."""
    first = new_place()
    second = elsewhere(first)
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), first)
        await bus.store(SessionClosed(reason="no_worker"), second)
        request = ConverseRequest(resumes=asked(first))
        claim = await claim_on(bus, second, "turn", request, job="session")
        await converse(claim, TurnSettings(), Links())

        assert await departure(bus, first) is None


async def test_what_followed_from_the_edges_silence_does_not_count(nats_server: str) -> None:
    """Unless the client knows it; what it said itself always counts."""
    first = new_place()
    second = elsewhere(first)
    written: list[Event] = [
        final(1, is_forced=True),
        final(2, is_forced=True),
        TurnStarted(text="x", turn=1),
        UserText(text="typed", seq=9),
    ]
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), first)
        for event in written:
            await bus.store(event, first)
        await move(await claim_at(bus, second), asked(first, utterance=1))
        (origin,) = await origins(bus, second, awaited=True)
        await bus.store(TurnEnded(outcome="completed", turn=1), first)
        events = [decode(message.payload) for message in await counted(bus, origin)]

    assert events == [SessionOpened(ticket=DIGEST), written[0], written[3]]


async def test_of_earlier_places_counts_what_became_of_their_turns(nats_server: str) -> None:
    """What a reply was made of is told again where its session went: older ones are not read."""
    places = [new_place()]
    places += [elsewhere(places[0]) for _ in range(2)]
    started, ended = TurnStarted(text="x", turn=1), TurnEnded(outcome="completed", turn=1)
    written = [
        final(1),
        UserText(text="typed", seq=9),
        started,
        ClauseReady(turn=1, text="Hi."),
        ended,
    ]
    async with bus_in(nats_server, places[0].cell) as bus:
        await bus.store(SessionOpened(ticket=DIGEST), places[0])
        for event in written:
            await bus.store(event, places[0])
        await move(await claim_at(bus, places[1]), asked(places[0], utterance=1))
        await bus.store(SessionOpened(ticket=DIGEST), places[1])
        late = ClauseReady(turn=2, text="Yes.")
        await bus.store(late, places[1])
        claim = await claim_at(bus, places[2])
        await move(claim, asked(places[1], utterance=1))
        former = await origins(bus, places[2], awaited=True)
        async with Arrivals(claim, Inbox(1)) as arrivals:
            events = [known.event for known in await arrivals.before(former)]

    assert [place.session for place in places[:2]] == [origin.place.session for origin in former]
    told = [event for event in events if isinstance(event, tuple({type(e) for e in written}))]
    assert told == [written[0], written[1], started, ended, late]


async def test_a_session_that_moves_goes_on_in_its_traces(nats_server: str) -> None:
    """Who takes it over finds them in the log of where it was, also in another process."""
    first = new_place()
    second, begun = elsewhere(first), TurnStarted(text="x", turn=1, utterance=1)
    async with bus_in(nats_server, first.cell) as there, bus_in(nats_server, first.cell) as here:
        there.tracing, here.tracing = Tracing(list[Span]().append), Tracing(list[Span]().append)
        await there.store(SessionOpened(ticket=DIGEST), first)
        for event in (final(1), begun):
            await there.store(event, first)
        await move(await claim_at(here, second), asked(first))
        (origin,) = await origins(here, second, awaited=True)
        await counted(here, origin)

        assert here.tracing.head(second.session, begun) == there.tracing.head(first.session, begun)


def past(*events: Event) -> list[Past]:
    """Messages of the log."""
    return [Past(event, number) for number, event in enumerate(events)]


def test_turns_that_the_client_may_have_missed_are_told_again_once() -> None:
    """A worker that takes over after it was begun tells the rest."""
    started = [TurnStarted(text="x", turn=turn) for turn in (1, 2, 3)]
    ended = [TurnEnded(outcome="completed", turn=turn) for turn in (1, 2)]
    before = past(started[0], ended[0], started[1], ended[1], started[2], HangUp(reason="limit"))
    here = past(SessionMoved(edge="e", session="s"), started[1])
    again = missed(before, here, Return(session="s", token="t", turn=2))

    assert again == (replace(ended[1], elsewhere=True), started[2], HangUp(reason="limit"))
    assert [known.event for known in once(before, here)] == [
        *(known.event for known in before),
        here[0].event,
    ]


def test_what_was_told_again_at_a_place_that_was_left_counts_once() -> None:
    """Nor does the client hear it twice."""
    started, ended = TurnStarted(text="x", turn=1), TurnEnded(outcome="completed", turn=1)
    before = past(started, ended, started, ended)

    assert [known.event for known in once(before, past(started))] == [started, ended]
    told = (started, replace(ended, elsewhere=True))
    assert missed(before, [], Return(session="s", token="t", turn=1)) == told


def test_a_reply_that_runs_is_complete_once_it_is_told_here() -> None:
    """All of it was made elsewhere: a turn that ended with that would keep its words from here."""
    done = GenerationDone(text="Good day.", turn=2, revision=1)
    spoken = SpeechDone(samples=9, rate_hz=24_000, turn=2, revision=1)
    before = [
        Past(GenerationDone(text="x", turn=1), 0),
        Past(TurnEnded(turn=1, outcome="completed"), 0),
        Past(GenerationDone(text="not to be said", turn=2, revision=0), 0),
        Past(TurnCancelled(turn=2, revision=0), 0),
        Past(TurnStarted(text="b", turn=2, revision=1), 0),
        Past(ClauseReady(text="Good day.", turn=2, revision=1), 0),
        Past(done, 0),
        Past(spoken, 0),
    ]

    assert once(before, []) == before[:-2]
    assert once(before, [Past(done, 1), Past(spoken, 1)]) == [
        *before[:-2],
        Past(done, 1),
        Past(spoken, 1),
    ]
