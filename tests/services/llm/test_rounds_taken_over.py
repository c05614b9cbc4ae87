"""A part of a reply that two workers have written, on a real bus."""

from __future__ import annotations

import asyncio
from functools import partial

from msgspec.structs import replace

from schemas.llm import ClauseReady, GenerationDone, Round, TokenDelta
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import alone
from services.llm.worker import answer
from tests.services.llm.test_worker import REQUEST, turn_at
from tests.workers import until, worker_in
from voicebus.role import Role
from voicebus.worker import job_name

REPLY = "Let me see. There are seven boxes of it, as far as I know. Do you want to have them all?"
SECOND = replace(REQUEST, round=Round(number=1, deltas=3, clauses=2, text="Well."))
SLOW = SyntheticSettings(reply=REPLY, ttft_ms=1, tokens_per_s=6)
FAST = SyntheticSettings(reply=REPLY, ttft_ms=1, tokens_per_s=400)


def role(worker: str) -> Role:
    """A worker of language models with one slot."""
    return Role(name="llm", slots=1, engine="synthetic", worker=worker)


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

    epochs = [event.epoch for _, event in turn.heard]
    (done,) = turn.done()
    assert done.text == f"Well. {REPLY}"
    assert len(set(epochs)) == 2
    assert "".join(delta.text for delta in turn.deltas()) == REPLY
    assert [delta.seq for delta in turn.deltas()] == list(range(3, 3 + len(turn.deltas())))
    assert " ".join(clause.text for clause in turn.clauses() if clause.text) == REPLY
    assert {type(event) for _, event in turn.heard} == {TokenDelta, ClauseReady, GenerationDone}
