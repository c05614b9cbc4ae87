"""One conversation over several sessions, in a whole system."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from schemas.claim import Claimed
from schemas.codec import decode
from subjects.catalog import Place, subject_of
from tests.e2e.client import Client, connected
from tests.e2e.upstream import LanguageModel
from tests.models import model_path
from tests.services.turn.together import kept_turns
from tests.system import STOP_LIMIT_S, SYNTHETIC, System
from voicebus.bus.client import connect as connect_bus
from voicebus.settings import BusSettings

pytestmark = pytest.mark.model

WRITTEN = {"output": {"audio": False}}


@pytest.fixture(scope="module")
def talking(
    tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[System]:
    """Synthetic ears and voice, and a language model that notes what it is told."""
    model_path("silero-vad")
    settings = {**SYNTHETIC, "LLM_ENGINE": "openai", "LLM_URL": language_model.url}
    with System(tmp_path_factory.mktemp("talking"), settings) as system:
        yield system


async def hand_on(system: System, session: str) -> None:
    """Have a dead turn worker's session given to the next one, as the supervisor does."""
    settings = BusSettings(nats_url=system.nats.url)
    bus = await connect_bus(settings, "test")
    everywhere = Place(settings.cell, "*", session)
    try:
        subject = subject_of(Claimed, everywhere, "turn", "session")
        claims = [decode(message.payload) async for message in bus.read("SESSION", subject)]
        assert isinstance(claims[-1], Claimed)
        await bus.publish_raw(claims[-1].ack, b"-NAK")
        await bus.flush()
    finally:
        await bus.close()


async def kept(system: System, client: Client, turns: int) -> None:
    """Wait until so many turns of a client's conversation are known to all that join it."""
    bus = await connect_bus(BusSettings(nats_url=system.nats.url), "test")
    try:
        await kept_turns(bus, conversation_of(client), turns)
    finally:
        await bus.close()


async def type_turn(client: Client, text: str, turn: int = 1) -> None:
    """Type a turn and read its answer."""
    await client.send("text", text=text)
    await client.until("turn_ended", turn=turn, outcome="completed")


def conversation_of(client: Client) -> str:
    """Where a client's session belongs."""
    return str(client.messages("metadata")[0]["conversation_id"])


def told(model: LanguageModel) -> list[str]:
    """What the model was told last, without the system prompt."""
    return [message["content"] for message in model.asked[-1][1:]]


async def test_a_name_told_in_one_session_is_known_in_the_next(
    talking: System, language_model: LanguageModel
) -> None:
    """Another connection redeems the code while the first is open; each hears the other."""
    persona = {"instructions": "You are a pirate.", "conversation": "new", **WRITTEN}
    async with connected(talking, persona) as first:
        await type_turn(first, "my name is Ada")
        await kept(talking, first, 1)
        await first.send("link")
        code = (await first.until("link_code"))["code"]
        async with connected(talking, {"link_code": code.lower()}) as second:
            await type_turn(second, "what is my name")
            asked = language_model.asked[-1]
            await kept(talking, first, 2)
            await type_turn(first, "and what did I ask", 2)

    assert asked[0]["content"] == "You are a pirate."
    heard = ["my name is Ada", "You said: my name is Ada.", "what is my name"]
    assert [message["content"] for message in asked[1:]] == heard
    assert told(language_model) == [*heard, "You said: what is my name.", "and what did I ask"]
    assert conversation_of(first) == conversation_of(second)


async def test_a_conversation_waits_for_the_next_session(
    talking: System, language_model: LanguageModel
) -> None:
    """The first one has ended; who has the id goes on, as often as they like."""
    async with connected(talking, {"conversation": "new", **WRITTEN}) as first:
        await type_turn(first, "my name is Bob")
        await kept(talking, first, 1)
    for number in (1, 2):
        start = {"conversation": conversation_of(first), **WRITTEN}
        async with connected(talking, start) as later:
            await type_turn(later, f"question {number}")
            await kept(talking, first, 1 + number)

    assert told(language_model) == [
        "my name is Bob",
        "You said: my name is Bob.",
        "question 1",
        "You said: question 1.",
        "question 2",
    ]


async def test_who_is_in_a_conversation_deletes_it(talking: System) -> None:
    """All its sessions are told why they end, and its id opens nothing any more."""
    async with connected(talking, {"conversation": "new", **WRITTEN}) as first:
        await type_turn(first, "my name is Dan")
        start = {"conversation": conversation_of(first), **WRITTEN}
        async with connected(talking, start) as second:
            await second.send("forget")
            ends = [await client.until("hang_up") for client in (first, second)]
        async with connected(talking) as late:
            await late.send("start", **start)
            refused = await late.until("error")
    async with connected(talking, WRITTEN) as alone:
        await alone.send("forget")
        told_so = await alone.until("error")
        await type_turn(alone, "hello")

    assert [end["reason"] for end in ends] == ["forgotten", "forgotten"]
    assert (first.closed, second.closed) == (1000, 1000)
    assert refused["code"] == told_so["code"] == "conversation_unknown"


@pytest.mark.fault
async def test_a_dead_worker_loses_no_turn_of_a_conversation_and_doubles_none(
    talking: System, language_model: LanguageModel
) -> None:
    """It is killed as its second turn ends; its successor keeps what was not kept."""
    worker = talking.processes["turn"]
    async with connected(talking, {"conversation": "new", **WRITTEN}) as first:
        await type_turn(first, "my name is Eve")
        await type_turn(first, "remember it", 2)
        worker.signal(signal.SIGKILL)
        await asyncio.to_thread(worker.wait, STOP_LIMIT_S)
        worker.restart()
        await hand_on(talking, str(first.messages("metadata")[0]["session_id"]))
        await type_turn(first, "what is my name", 3)
        await kept(talking, first, 3)
    async with connected(talking, {"conversation": conversation_of(first), **WRITTEN}) as second:
        await type_turn(second, "once more")

    words = ["my name is Eve", "remember it", "what is my name"]
    pairs = [text for word in words for text in (word, f"You said: {word}.")]
    assert told(language_model) == [*pairs, "once more"]


async def test_a_flood_of_codes_is_refused(talking: System) -> None:
    """A person makes a mistake or two; a program that tries codes is stopped at the door."""
    codes = []
    for number in range(12):
        start = {"link_code": f"AAAA-{2 + number // 9}{2 + number % 7}AA"}
        async with connected(talking) as guessing:
            await guessing.send("start", **start)
            codes.append((await guessing.until("error"))["code"])

    assert codes[0] == "link_refused"
    assert codes[-1] == "too_many_codes"
    assert set(codes) == {"link_refused", "too_many_codes"}
