"""Conversations across sessions, on a real bus."""

from __future__ import annotations

import asyncio

import pytest

from schemas.conversation import Exchange, Join, Joined, LinkKept
from schemas.settings import SessionSettings
from schemas.turn import TurnEnded, TurnStarted
from services.turn import shelf
from services.turn.admission import Links
from subjects.kept import conversation_subject
from tests.metered import Growth
from tests.services.turn.together import LIMIT_S, Talk, kept_turns, talk, told
from tests.workers import beside, bus_in, new_place
from voicebus.conversations import digest_of, join, own, owner, redeem, start
from voicebus.errors import ConversationUnknown, LimitReached, LinkRefused, VoicebusError

ADA, BOB = owner("key", "ada"), owner("key", "bob")
CODE = "K7QF3MXZ"


async def refusal(led: Talk) -> VoicebusError:
    """Wait until a session's worker gives up; return why."""
    await asyncio.wait((led.leading,), timeout=LIMIT_S)
    error = led.leading.exception()
    assert isinstance(error, VoicebusError)
    return error


async def test_a_second_session_goes_on_where_the_first_was(nats_server: str) -> None:
    """With what was said and with how the assistant is."""
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus:
        persona = SessionSettings(instructions="Be a pirate.")
        async with talk(bus, place, begun, settings=persona) as first:
            assert (await first.hear(Joined)).exchanges == 0
            await first.turn("I am Ada.", "Hello, Ada.")
            await kept_turns(bus, begun.conversation, 1)
        async with talk(bus, beside(place), join(begun.conversation, ADA)) as second:
            answer = await second.hear(Joined)
            asked = await second.ask("Who am I?")

    assert (answer.conversation, answer.exchanges) == (begun.conversation, 1)
    assert answer.settings.instructions == "Be a pirate."
    assert asked.messages[0].content == "Be a pirate."
    assert told(asked) == ["I am Ada.", "Hello, Ada.", "Who am I?"]


async def test_two_sessions_at_a_time_hear_of_each_other(nats_server: str) -> None:
    """What one says the other knows from its next turn on, and nothing is kept twice."""
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, begun) as first:
        await first.hear(Joined)
        async with talk(bus, beside(place), join(begun.conversation, ADA)) as second:
            await second.hear(Joined)
            await first.turn("I am Ada.", "Hello, Ada.")
            await kept_turns(bus, begun.conversation, 1)
            await second.turn("Who am I?", "You are Ada.")
            kept = await kept_turns(bus, begun.conversation, 2)
            asked = await first.ask("And now?")

    assert told(asked) == ["I am Ada.", "Hello, Ada.", "Who am I?", "You are Ada.", "And now?"]
    assert [exchange.session for exchange in kept.exchanges] == [
        first.place.session,
        second.place.session,
    ]


@pytest.mark.parametrize("is_there", [True, False])
async def test_nobody_else_joins_with_the_id(nats_server: str, is_there: bool) -> None:
    """Another's conversation and one that is not there are refused in the same words."""
    place, begun = new_place(), start(ADA)
    wanted = begun.conversation if is_there else start(ADA).conversation
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, begun) as first:
            await first.hear(Joined)
        async with talk(bus, beside(place), join(wanted, BOB)) as second:
            error = await refusal(second)

    assert isinstance(error, ConversationUnknown)
    assert str(error) == str(ConversationUnknown())


async def test_an_id_that_is_taken_is_not_begun_by_another(nats_server: str) -> None:
    """Who claims an id for its own has to be its owner."""
    place, begun = new_place(), own("secret", ADA)
    stolen = Join(owner=BOB, conversation=begun.conversation, begins=True)
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, begun) as first:
            await first.hear(Joined)
        async with talk(bus, beside(place), stolen) as second:
            error = await refusal(second)

    assert isinstance(error, ConversationUnknown)


@pytest.mark.parametrize(
    "forged",
    [
        Join(owner=ADA, conversation="*", begins=True),
        Join(owner=ADA, conversation="a.b", begins=True),
        Join(owner=ADA),
        Join(owner="*", conversation="c1", begins=True),
    ],
)
async def test_an_edge_that_lies_reaches_no_other_subject(nats_server: str, forged: Join) -> None:
    """Wildcards and dots are no ids, whoever says so."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, start(ADA)) as first:
            await first.hear(Joined)
        async with talk(bus, beside(place), forged) as second:
            error = await refusal(second)

    assert isinstance(error, ConversationUnknown)


async def test_a_code_lets_one_session_in_and_makes_its_bearer_an_owner(nats_server: str) -> None:
    """The next one with the same code is refused; the bearer comes back with the id."""
    growth = Growth()
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, begun) as first:
        await first.turn("I am Ada.", "Hello, Ada.")
        assert (await first.code(CODE)).expires_s == 300
        async with talk(bus, beside(place), redeem("k7qf-3mxz", BOB)) as second:
            answer = await second.hear(Joined)
            asked = await second.ask("Who am I?")
        async with talk(bus, beside(place), redeem(CODE, owner("key", "eve"))) as third:
            error = await refusal(third)
        async with talk(bus, beside(place), join(begun.conversation, BOB)) as fourth:
            again = await fourth.hear(Joined)

    assert answer.conversation == again.conversation == begun.conversation
    assert told(asked) == ["I am Ada.", "Hello, Ada.", "Who am I?"]
    assert isinstance(error, LinkRefused)
    assert growth.of("voicebus_link_codes_made_total") == 1
    assert growth.of("voicebus_conversations_joined_total", how="code") == 1
    assert growth.of("voicebus_conversations_joined_total", how="begun") == 1
    assert growth.of("voicebus_conversations_joined_total", how="owner") == 1
    assert growth.of("voicebus_conversations_refused_total", code=error.code) == 1


async def test_a_code_that_is_too_old_or_was_never_made_is_refused(nats_server: str) -> None:
    """With the same words; the store's clock says how old it is."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, start(ADA)) as first:
        await first.code(CODE)
        await asyncio.sleep(1.1)
        errors = []
        for code in (CODE, "ABCDEFGH"):
            asked, links = redeem(code, BOB), Links(age_s=1)
            async with talk(bus, beside(place), asked, links=links) as second:
                errors.append(await refusal(second))

    assert [type(error) for error in errors] == [LinkRefused, LinkRefused]
    assert str(errors[0]) == str(errors[1])


async def test_a_flood_of_guesses_is_refused_before_they_are_looked_up(nats_server: str) -> None:
    """Each worker counts for each edge; a good code of another edge still counts."""
    place, links = new_place(), Links(per_min=3)
    elsewhere = new_place()
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, start(ADA)) as first:
        await first.code(CODE)
        errors = []
        for code in ("AAAAAAAA", "BBBBBBBB", "CCCCCCCC", CODE):
            async with talk(bus, beside(place), redeem(code, BOB), links=links) as second:
                errors.append(await refusal(second))
        other = type(place)(place.cell, elsewhere.edge, elsewhere.session)
        async with talk(bus, other, redeem(CODE, BOB), links=links) as third:
            await third.hear(Joined)

    assert [type(error) for error in errors] == [LinkRefused] * 3 + [LimitReached]


async def test_a_worker_that_died_with_a_code_in_its_hands_has_not_used_it_up(
    nats_server: str,
) -> None:
    """The next one sees that it was used for this very session."""
    place, begun = new_place(), start(ADA)
    here = beside(place)
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, begun) as first:
        await first.hear(Joined)
        used = LinkKept(conversation=begun.conversation, session=f"{here.edge}.{here.session}")
        await shelf.keep_link(bus, digest_of(CODE), used)
        async with talk(bus, here, redeem(CODE, BOB), attempt=2) as second:
            answer = await second.hear(Joined)

    assert answer.conversation == begun.conversation


async def test_a_takeover_keeps_the_turn_that_nobody_kept_and_none_twice(nats_server: str) -> None:
    """The first worker died between a turn's end and keeping it."""
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, begun) as first:
            await first.turn("I am Ada.", "Hello, Ada.")
            await kept_turns(bus, begun.conversation, 1)
        await bus.store(TurnStarted(turn=2, text="Good.", typed=True, control=2), place)
        await bus.store(TurnEnded(turn=2, outcome="completed", reply="Yes."), place)
        async with talk(bus, place, begun, attempt=2) as second:
            await kept_turns(bus, begun.conversation, 2)
            second.texts = 2
            await second.turn("Who am I?", "Ada.")
            kept = await kept_turns(bus, begun.conversation, 3)

    assert kept.exchanges == (
        Exchange(session=place.session, turn=1, user="I am Ada.", assistant="Hello, Ada."),
        Exchange(session=place.session, turn=2, user="Good.", assistant="Yes."),
        Exchange(session=place.session, turn=3, user="Who am I?", assistant="Ada."),
    )


async def test_what_is_no_conversation_is_overwritten_by_who_knows_it(nats_server: str) -> None:
    """Rubbish on its subject costs a running conversation nothing."""
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, begun) as first:
        await first.turn("I am Ada.", "Hello, Ada.")
        await kept_turns(bus, begun.conversation, 1)
        await bus.publish_raw(conversation_subject(place.cell, begun.conversation), b"rubbish")
        await first.turn("Who am I?", "Ada.")
        kept = await kept_turns(bus, begun.conversation, 2)

    assert kept.owners == (ADA,)
    assert [exchange.turn for exchange in kept.exchanges] == [1, 2]
