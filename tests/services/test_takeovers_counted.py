"""Work of workers that were lost, as the next worker counts it."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from schemas.audio import AudioChunk
from schemas.claim import Claimed, ClaimLeft
from schemas.event import Event
from schemas.llm import GenerateRequest, Message, TokenDelta
from schemas.session import SessionClosed
from schemas.stt import RecogniseRequest, TranscribeRequest
from schemas.tool import ToolRequest
from schemas.tts import SpeakRequest
from schemas.turn import ConverseRequest, Resumed, SessionMoved
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import alone
from services.llm.worker import answer
from services.stt.worker import work as listen
from services.tool.worker import call
from services.tts.engines.synthetic import SyntheticEngine as SyntheticVoice
from services.tts.worker import speak
from services.turn.admission import Links
from services.turn.settings import TurnSettings
from services.turn.worker import converse
from subjects.catalog import Place
from subjects.tokens import new_token
from tests.metered import Growth
from tests.services.stt.ears import Recogniser, ears_of, sound
from tests.services.tts.speaking import SETTINGS
from tests.workers import Running, bus_in, new_place, until, until_done, worker_in
from voicebus.bus.client import Bus
from voicebus.worker import Role, Work

REQUESTS: dict[str, Event] = {"stt": TranscribeRequest(), "turn": ConverseRequest()}


def hired(role: str, worker: str) -> Role:
    """A worker that holds sessions."""
    return Role(name=role, slots=8, engine="toy", worker=worker)


async def led(url: str, role: str, work: Work, *, lost: bool) -> Growth:
    """Have a session's worker be lost, or drained, and another one go on; return what grew."""
    place, growth = new_place(), Growth()
    waits = "voicebus_claim_wait_seconds_count"

    async def held(running: Running, number: int) -> Running:
        await until(lambda: growth.of(waits, role=role) == number)
        return running

    async with bus_in(url, place.cell) as bus:
        await bus.store(REQUESTS[role], place, job="session")
        if lost:
            gone = Claimed(role=role, worker="gone", delivery=0)
            await bus.claim(gone, place, "session", 0)
        else:
            async with worker_in(url, place.cell, hired(role, "a"), work) as drained:
                await held(drained, 1)
        async with worker_in(url, place.cell, hired(role, "b"), work) as running:
            await held(running, 1 if lost else 2)
            await bus.store(SessionClosed(), place)
            await until_done(bus, role)
    return growth


def taken(growth: Growth, role: str) -> dict[str, float]:
    """How much work was taken over, by what became of it."""
    counted = {
        outcome: growth.of("voicebus_takeovers_total", role=role, outcome=outcome)
        for outcome in ("continued", "anew", "cut", "done")
    }
    return {outcome: number for outcome, number in counted.items() if number}


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "drained"])
@pytest.mark.parametrize("role", ["stt", "turn"])
async def test_a_session_of_a_lost_worker_is_a_takeover(
    nats_server: str, role: str, lost: bool
) -> None:
    """Once for who goes on with it; one that was handed on in good order is none."""
    async with ears_of(Recogniser()) as ears:
        works: dict[str, Work] = {
            "stt": partial(listen, ears=ears),
            "turn": partial(converse, settings=TurnSettings(), links=Links()),
        }
        growth = await led(nats_server, role, works[role], lost=lost)

    assert taken(growth, role) == ({"continued": 1} if lost else {})


TURNS: dict[str, tuple[Event, str]] = {
    "stt": (RecogniseRequest(start=0, cut_from=16_000, end=16_000, turn=1), "1-0"),
    "llm": (GenerateRequest(turn=1, messages=(Message(role="user", content="Hello"),)), "1-0"),
    "tts": (SpeakRequest(turn=1, text="Hello."), "1-0"),
    "tool": (
        ToolRequest(round=0, server="", name="", arguments="", call="c", turn=1, repeatable=True),
        "1-0-0-0",
    ),
}
"""A job of each stage that has them in each turn, and its name."""

WORKS: dict[str, Work] = {
    "llm": partial(answer, providers=alone(SyntheticEngine(SyntheticSettings(ttft_ms=1)))),
    "tts": partial(speak, engine=SyntheticVoice(SETTINGS)),
    "tool": partial(call, servers={}, result_chars=100),
}


async def moved(bus: Bus, place: Place) -> None:
    """Have a session come from another edge, where it has no worker any more."""
    former = Place(place.cell, new_token("e"), new_token("s"))
    await bus.store(SessionMoved(edge=place.edge, session=place.session), former)
    await bus.store(Resumed(edge=former.edge, session=former.session), place)


async def held_before(bus: Bus, place: Place, role: str, *, lost: bool) -> None:
    """Have a turn's worker be lost, or give the job back."""
    claimed = Claimed(role=role, worker="gone", delivery=0, turn=1)
    fence = await bus.claim(claimed, place, TURNS[role][1], 0)
    if not lost:
        left = ClaimLeft(role=role, worker="gone", cause="drained", turn=1)
        await bus.claim(left, place, TURNS[role][1], fence.epoch)


@pytest.mark.parametrize(
    ("role", "fate"),
    [
        *((role, fate) for role in TURNS for fate in ("lost", "drained")),
        ("llm", "moved"),
        ("tts", "moved"),
    ],
)
async def test_a_turn_of_a_lost_worker_is_a_takeover(
    nats_server: str, role: str, fate: str
) -> None:
    """One that was handed on in good order, or goes on at another edge, is none."""
    place, growth = new_place(), Growth()
    request, job = TURNS[role]
    async with bus_in(nats_server, place.cell) as bus, ears_of(Recogniser()) as ears:
        await bus.store(AudioChunk(pcm=sound(1), offset=0), place)
        await bus.store(TokenDelta(text="Well, ", turn=1, seq=0), place)
        if fate == "moved":
            await moved(bus, place)
            request = replace(request, resumed=True)
        await bus.store(request, place, job=job)
        if fate != "moved":
            await held_before(bus, place, role, lost=fate == "lost")
        work = WORKS.get(role) or partial(listen, ears=ears)
        async with worker_in(nats_server, place.cell, hired(role, "b"), work):
            await until_done(bus, role)

    assert growth.of("voicebus_claims_total", role=role, outcome="done") == 1
    assert sum(taken(growth, role).values()) == (fate == "lost")
