"""A part of a reply that two workers have written, on a real bus."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from msgspec.structs import replace

from schemas.codec import decode
from schemas.event import Event
from schemas.llm import ClauseReady, GenerationDone, Round, TokenDelta
from schemas.tool import CallsAsked
from schemas.turn import Resumed, SessionMoved
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import alone
from services.llm.worker import answer
from subjects.catalog import Place, subject_of
from subjects.tokens import new_token
from tests.services.llm.test_worker import KINDS, REQUEST, Turn, turn_at
from tests.workers import claim_on, until, worker_in
from voicebus.role import Role
from voicebus.worker import job_name

REPLY = "Let me see. There are seven boxes of it, as far as I know. Do you want to have them all?"
SECOND = replace(REQUEST, round=Round(number=1, deltas=3, clauses=2, text="Well."))
SLOW = SyntheticSettings(reply=REPLY, ttft_ms=1, tokens_per_s=6)
FAST = SyntheticSettings(reply=REPLY, ttft_ms=1, tokens_per_s=400)


def role(worker: str) -> Role:
    """A worker of language models with one slot."""
    return Role(name="llm", slots=1, engine="synthetic", worker=worker)


async def stored(turn: Turn, kind: type[Event]) -> list[Event]:
    """What the log has: of a worker that does not know yet that it was replaced, nothing."""
    read = turn.bus.read("SESSION", subject_of(kind, turn.place))
    return [decode(message.payload) async for message in read]


async def test_a_round_that_is_asked_for_twice_is_one_reply(nats_server: str) -> None:
    """Whoever gets the second job finds what was written for the first, however long ago."""
    slow, fast = (partial(answer, providers=alone(SyntheticEngine(s))) for s in (SLOW, FAST))
    async with turn_at(nats_server) as turn:
        cell, job = turn.place.cell, job_name(SECOND)
        async with worker_in(nats_server, cell, role("a"), slow, drain_s=0.1):
            await turn.bus.store(SECOND, turn.place, job=job)
            await until(lambda: bool(turn.clauses()))
            await asyncio.sleep(1.2)  # more than clocks may differ by
            await turn.bus.store(SECOND, turn.place, job=job)
            async with worker_in(nats_server, cell, role("b"), fast):
                await until(lambda: bool(turn.done()), 10)

        told = [event for kind in KINDS for event in await stored(turn, kind)]

    deltas = [event for event in told if isinstance(event, TokenDelta)]
    clauses = [event.text for event in told if isinstance(event, ClauseReady)]
    assert [event.text for event in told if isinstance(event, GenerationDone)] == [f"Well. {REPLY}"]
    assert len({event.epoch for event in told}) == 2
    assert "".join(delta.text for delta in deltas) == REPLY
    assert [delta.seq for delta in deltas] == list(range(3, 3 + len(deltas)))
    assert " ".join(clauses).strip() == REPLY


FIRST: tuple[Event, ...] = (
    TokenDelta(text="Well. ", seq=0, turn=1, revision=2),
    ClauseReady(text="Well.", seq=0, turn=1, revision=2),
    CallsAsked(text="Well.", calls=(), deltas=1, clauses=1, turn=1, revision=2),
)
"""A round that has ended, at the edge where the session was before."""

SECOND_BEGUN: tuple[Event, ...] = (
    TokenDelta(text="Let me see. ", seq=1, turn=1, revision=2),
    ClauseReady(text="Let me see.", seq=1, turn=1, revision=2),
)
"""The round behind it, as far as it got there."""


@pytest.mark.parametrize(
    ("there", "asked", "rest"),
    [
        (FIRST, Round(), ""),
        (FIRST, Round(number=1, deltas=1, clauses=1, text="Well."), REPLY),
        (
            (*FIRST, *SECOND_BEGUN),
            Round(number=1, deltas=1, clauses=1, text="Well."),
            REPLY.removeprefix("Let me see. "),
        ),
    ],
)
async def test_at_another_edge_a_round_goes_on_behind_all_that_was_said(
    nats_server: str, there: tuple[Event, ...], asked: Round, rest: str
) -> None:
    """What was said before is told again there; a round that had ended is not asked for anew."""
    request = replace(REQUEST, round=asked, resumed=True)
    async with turn_at(nats_server) as turn:
        here = turn.place
        former = Place(here.cell, new_token("e"), new_token("s"))
        for event in there:
            await turn.bus.store(event, former)
        await turn.bus.store(SessionMoved(edge=here.edge, session=here.session), former)
        await turn.bus.store(Resumed(edge=former.edge, session=former.session), here)
        claim = await claim_on(turn.bus, here, "llm", request, job=job_name(request))
        await answer(claim, alone(SyntheticEngine(FAST)))
        await until(lambda: bool(turn.done()) or not rest)
        await turn.bus.flush()

    told = "".join(event.text for event in there if isinstance(event, TokenDelta))
    assert "".join(delta.text for delta in turn.deltas()) == told + rest
    assert [delta.seq for delta in turn.deltas()] == list(range(len(turn.deltas())))
    assert [clause.seq for clause in turn.clauses()] == list(range(len(turn.clauses())))
    assert [done.text for done in turn.done()] == [told + rest] * bool(rest)
