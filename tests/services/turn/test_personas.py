"""A session that names a persona: it is as the persona has it where it says nothing itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.conversation import Joined
from schemas.llm import GenerateRequest, GenerationDone, ToolCall
from schemas.settings import SessionSettings
from schemas.tool import CallsAsked
from schemas.turn import TurnEnded
from services.turn.kept import merged, under
from tests.services.turn.together import Talk, kept_turns, talk
from tests.workers import beside, bus_in, new_place
from voicebus.conversations import own, redeem, start
from voicebus.errors import PersonaUnknown
from voicebus.personas.library import Library

OWNER = "0a1b"
PIRATE = SessionSettings(persona="pirate")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Two personas."""
    (tmp_path / "pirate.md").write_text(
        "---\nvoice: joe\nmodel: parrot\ntemperature: 0.5\n---\nBe a pirate."
    )
    (tmp_path / "judge.md").write_text("---\nlanguage: ru\n---\nBe a judge.")
    return Library(tmp_path)


async def heard(session: Talk) -> Joined:
    """What the edge is told of the session."""
    return await session.hear(Joined)


def test_what_a_session_says_goes_before_what_its_persona_says() -> None:
    """And what neither says is the default."""
    persona = SessionSettings(voice="joe", speed=1.5, instructions="Be a pirate.")

    settings = under(SessionSettings(persona="pirate", voice="ann"), persona)

    assert settings == SessionSettings(
        persona="pirate", voice="ann", speed=1.5, instructions="Be a pirate."
    )


def test_another_persona_has_nothing_of_the_one_before() -> None:
    """But for what is about the user."""
    kept = SessionSettings(persona="judge", instructions="Be just.", voice="ann", language="ru")

    assert merged(kept, PIRATE) == SessionSettings(persona="pirate", language="ru")
    assert merged(kept, SessionSettings()) == kept


async def test_the_model_is_asked_as_the_persona_has_it(nats_server: str, library: Library) -> None:
    """The edge is told how the session is before anything is said."""
    place = new_place()
    async with (
        bus_in(nats_server, place.cell) as bus,
        talk(bus, place, None, settings=PIRATE, library=library) as session,
    ):
        told = await heard(session)
        asked = await session.ask("hello")

    assert (told.conversation, told.settings.voice) == ("", "joe")
    assert (asked.model, asked.temperature) == ("parrot", 0.5)
    assert asked.messages[0].content == "Be a pirate."


async def test_a_worker_that_takes_over_knows_the_persona_as_it_was(
    nats_server: str, library: Library, tmp_path: Path
) -> None:
    """A change of it counts for other sessions, not in the middle of this one."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, None, settings=PIRATE, library=library) as first:
            await first.turn("hello", "Ahoy.")
        (tmp_path / "pirate.md").write_text("Be a priest.")
        async with talk(bus, place, None, settings=PIRATE, library=library, attempt=2) as second:
            second.texts = 1
            asked = await second.ask("who are you?")

    assert (asked.model, asked.messages[0].content) == ("parrot", "Be a pirate.")
    assert [message.content for message in asked.messages[1:]] == ["hello", "Ahoy.", "who are you?"]


async def test_a_conversation_goes_on_with_another_persona(
    nats_server: str, library: Library
) -> None:
    """What was said is known to it; who answers is somebody else, until another is named."""
    place, join = new_place(), own("s", OWNER)
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, join, settings=PIRATE, library=library) as first:
            await first.turn("hello", "Ahoy.")
            await kept_turns(bus, join.conversation, 1)
        judge = SessionSettings(persona="judge")
        async with talk(bus, beside(place), join, settings=judge, library=library) as second:
            told = await heard(second)
            asked = await second.ask("and now?")
        async with talk(bus, beside(place), join, library=library) as third:
            follows = await heard(third)

    assert (told.settings.language, told.settings.voice) == ("ru", "")
    assert asked.messages[0].content == "Be a judge."
    assert "Ahoy." in [message.content for message in asked.messages]
    assert follows.settings == told.settings


async def test_a_session_of_nobody_known_is_refused(nats_server: str, library: Library) -> None:
    """It is not led by somebody else."""
    place = new_place()
    async with (
        bus_in(nats_server, place.cell) as bus,
        talk(bus, place, None, settings=SessionSettings(persona="x"), library=library) as session,
    ):
        with pytest.raises(PersonaUnknown, match="'x'"):
            await session.leading


async def test_a_persona_that_is_gone_keeps_nobody_out_of_a_conversation(
    nats_server: str, library: Library, tmp_path: Path
) -> None:
    """Where only the conversation names it, the worker's own instructions take its place."""
    place, join = new_place(), own("s", OWNER)
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, join, settings=PIRATE, library=library) as first:
            await first.turn("hello", "Ahoy.")
            await kept_turns(bus, join.conversation, 1)
        (tmp_path / "pirate.md").unlink()
        empty = Library(tmp_path)
        async with talk(bus, beside(place), join, library=empty) as second:
            told = await heard(second)
            asked = await second.ask("and now?")
        (tmp_path / "pirate.md").write_text("Be a pirate again.")
        async with talk(bus, beside(place), join, library=empty) as third:
            back = await heard(third)

    assert (told.settings.persona, told.settings.instructions, told.persona) == ("", "", None)
    assert [message.content for message in asked.messages[1:]] == ["hello", "Ahoy.", "and now?"]
    assert back.settings.instructions == "Be a pirate again."


async def test_a_refused_persona_uses_no_code_up_and_stays_nowhere(
    nats_server: str, library: Library
) -> None:
    """Whoever asked for it comes in with the same code, and the conversation is as it was."""
    place, begun, code = new_place(), start(OWNER), "K7QF3MXZ"
    wrong = SessionSettings(persona="x")
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, begun) as first:
        await first.code(code)
        redeemed = redeem(code, "b0b0")
        async with talk(bus, beside(place), redeemed, settings=wrong, library=library) as second:
            with pytest.raises(PersonaUnknown, match="'x'"):
                await second.leading
        async with talk(bus, beside(place), redeemed, library=library) as third:
            told = await heard(third)

    assert (told.conversation, told.settings.persona) == (begun.conversation, "")


async def test_a_call_is_passed_on_only_where_somebody_is_told_to_whom(
    nats_server: str, tmp_path: Path
) -> None:
    """A telephone exchange is not: its caller would hear that he is passed on, and be hung up."""
    (tmp_path / "desk.md").write_text(
        "---\ntools:\n  allow: [hang_up, transfer]\n  transfer_to: [sales]\n---\nBe kind."
    )
    place, desk, library = new_place(), SessionSettings(persona="desk"), Library(tmp_path)
    offered = []
    async with bus_in(nats_server, place.cell) as bus:
        for transfers in (True, False):
            here = beside(place)
            async with talk(
                bus, here, None, settings=desk, library=library, transfers=transfers
            ) as session:
                offered.append({tool.name for tool in (await session.ask("hello")).tools})

    assert offered == [{"hang_up", "transfer"}, {"hang_up"}]


async def test_a_fact_is_known_in_later_sessions_and_forgotten_with_the_conversation(
    nats_server: str, tmp_path: Path
) -> None:
    """It belongs to the conversation, and to nobody else's."""
    (tmp_path / "friend.md").write_text("---\ntools:\n  allow: [remember]\n---\nBe kind.")
    place, join, library = new_place(), own("s", OWNER), Library(tmp_path)
    friend = SessionSettings(persona="friend")
    wish = ToolCall(id="c", name="remember", arguments='{"fact": "Likes mint."}')
    heads = []
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, join, settings=friend, library=library) as first:
            asked = await first.ask("I like mint")
            await bus.store(CallsAsked(text="", calls=(wish,), turn=asked.turn), place)
            asked = await first.hear(GenerateRequest)
            await bus.store(GenerationDone(turn=asked.turn, text="Noted."), place)
            await first.hear(TurnEnded)
            kept = await kept_turns(bus, join.conversation, 1)
        for number in (2, 3):
            here = beside(place)
            async with talk(bus, here, join, settings=friend, library=library) as later:
                heads.append((await later.ask("hello")).messages[0].content)
                if number == 2:
                    await later.forget()
                    await later.hang_up()

    assert kept.facts == ("Likes mint.",)
    assert heads == ["Be kind.\n\nWhat you remember of the user:\n- Likes mint.", "Be kind."]
