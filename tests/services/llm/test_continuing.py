"""A reply whose worker was lost goes on on another one: nothing said twice, nothing missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import pytest

from schemas.event import Event
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone, Message, TokenDelta
from services.faults import Fault, FaultPlan
from services.llm.engine import Engine, Piece
from services.llm.engines.openai import OpenAIEngine, OpenAISettings
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import alone
from services.llm.published import Published, gathered
from services.llm.worker import answer
from tests.services.llm.asking import asking
from tests.services.llm.test_engines import llama_server
from tests.services.llm.test_worker import REQUEST, Turn, turn_at
from tests.services.llm.upstream import replying, text_event
from tests.workers import claim_on, until
from voicebus.errors import EngineError

REPLY = (
    "Well, the sea is wide and deep. Dr. Smith has sailed it 3.5 times, and he said that it was "
    "cold. Nobody else went there, because the wind was strong! That is all that I know."
)
FAST = SyntheticSettings(reply=REPLY, ttft_ms=1, tokens_per_s=400)
TOKENS = len(REPLY.split())


def breaking(after: int, settings: SyntheticSettings = FAST) -> SyntheticEngine:
    """A model that fails behind so many tokens."""
    fault = FaultPlan(fault=Fault.FAIL, after=after)
    return SyntheticEngine(msgspec.structs.replace(settings, fault=fault))


async def take_over(turn: Turn, engine: Engine, request: GenerateRequest = REQUEST) -> None:
    """Do the work of a turn that another worker has begun."""
    claim = await claim_on(turn.bus, turn.place, "llm", request, attempt=2)
    await asyncio.wait_for(answer(claim, alone(engine)), 120)
    await turn.bus.flush()
    await until(lambda: bool(turn.done()))


async def broken_off(
    turn: Turn, after: int, engine: Engine | None = None, request: GenerateRequest = REQUEST
) -> None:
    """Have a worker begin the reply and be lost behind so many tokens."""
    with pytest.raises(EngineError):
        await turn.answer(engine or breaking(after), request)


def expect_whole(turn: Turn, reply: str) -> None:
    """The reply as readers, speakers and the history have it, without a seam."""
    (done,) = turn.done()
    assert done.text == reply
    assert "".join(delta.text for delta in turn.deltas()) == reply
    assert " ".join(clause.text for clause in turn.clauses() if clause.text) == reply
    assert [delta.seq for delta in turn.deltas()] == list(range(len(turn.deltas())))
    assert [clause.seq for clause in turn.clauses()] == list(range(len(turn.clauses())))
    assert [clause.last for clause in turn.clauses()].count(True) == 1


@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("after", [0, 1, 2, 7, 12, 20, TOKENS - 1])
async def test_a_reply_goes_on_where_its_worker_was_lost(
    nats_server: str, after: int, continues: bool
) -> None:
    """Behind any token: text, clauses and their numbers are those of an unharmed reply."""
    other = SyntheticEngine(msgspec.structs.replace(FAST, continues=continues))
    async with turn_at(nats_server) as turn:
        await broken_off(turn, after)
        await take_over(turn, other)

    expect_whole(turn, REPLY)
    epochs = [event.epoch for _, event in turn.heard]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == (2 if after else 1)
    assert turn.done()[0].tokens == (TOKENS if continues or not after else after + TOKENS)


async def test_clauses_are_those_of_an_unharmed_reply(nats_server: str) -> None:
    """Where a reply is cut for the speaker does not depend on who wrote which part of it."""
    cuts = []
    for after in (None, 9):
        async with turn_at(nats_server) as turn:
            if after is None:
                await turn.answer(SyntheticEngine(FAST))
            else:
                await broken_off(turn, after)
                await take_over(turn, SyntheticEngine(FAST))
        cuts.append([clause.text for clause in turn.clauses()])

    assert cuts[0] == cuts[1]


async def test_the_bound_of_tokens_holds_for_both_workers_together(nats_server: str) -> None:
    """A reply does not grow longer because somebody died over it."""
    request = msgspec.structs.replace(REQUEST, max_tokens=15)
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 9, request=request)
        await take_over(turn, SyntheticEngine(FAST), request)

    (done,) = turn.done()
    assert (len(done.text.split()), done.finish_reason) == (15, "length")


class Repeating(SyntheticEngine):
    """A model that cannot go on behind its own words, and says what it is told to say."""

    continues = False

    def __init__(self, reply: str) -> None:
        super().__init__(msgspec.structs.replace(FAST, reply=reply, continues=False))


async def test_what_was_only_read_is_replaced_by_another_answer(nats_server: str) -> None:
    """Nothing was spoken yet: the caller hears one whole answer, and the history has that one."""
    other = "Quite another answer to it. It is a good one."
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 1)
        await take_over(turn, Repeating(other))

    (done,) = turn.done()
    assert done.text == other
    assert " ".join(clause.text for clause in turn.clauses() if clause.text) == other
    assert [(d.text, d.anew) for d in turn.deltas()][:1] == [("Well,", False)]
    assert [delta.anew for delta in turn.deltas()].index(True) == 1
    assert "".join(delta.text for delta in turn.deltas()[1:]) == other
    assert [delta.seq for delta in turn.deltas()] == list(range(len(turn.deltas())))


async def test_what_was_spoken_is_never_spoken_again(nats_server: str) -> None:
    """A model that says something else ends the reply with the last clause that is heard."""
    async with turn_at(nats_server) as turn:
        await broken_off(turn, 10)
        spoken = " ".join(clause.text for clause in turn.clauses())
        await take_over(turn, Repeating("Quite another answer."))

    (done,) = turn.done()
    assert spoken == "Well, the sea is wide and deep."
    assert (done.text, done.finish_reason) == (spoken, "cut")
    assert " ".join(clause.text for clause in turn.clauses() if clause.text) == spoken
    assert turn.clauses()[-1].last


async def test_a_reply_that_was_told_to_its_end_is_not_made_again(nats_server: str) -> None:
    """The worker was lost between its last word and its acknowledgement."""
    async with turn_at(nats_server) as turn:
        await turn.answer(SyntheticEngine(FAST))
        told = len(turn.heard)
        await take_over(turn, breaking(0))

        assert len(turn.heard) == told


async def test_what_a_worker_says_that_was_replaced_is_no_part_of_the_reply(
    nats_server: str,
) -> None:
    """It only seemed dead: the store refuses its words, and the reply is that of its successor."""
    async with turn_at(nats_server) as turn:
        old = await claim_on(turn.bus, turn.place, "llm", REQUEST)
        await old.publish(TokenDelta(turn=1, revision=2, text="Well,"))
        new = await claim_on(turn.bus, turn.place, "llm", REQUEST, attempt=2)
        await old.publish(TokenDelta(turn=1, revision=2, seq=1, text=" I am back."))
        await asyncio.wait_for(old.lost, 10)
        await asyncio.wait_for(answer(new, alone(SyntheticEngine(FAST))), 30)
        await until(lambda: bool(turn.done()))
        logged = [event for event in await new.history() if isinstance(event, TokenDelta)]

    assert "".join(delta.text for delta in logged) == REPLY
    assert [delta.seq for delta in logged] == list(range(len(logged)))
    assert turn.done()[0].text == REPLY


class Mute(SyntheticEngine):
    """A model that must not be asked."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Fail."""
        raise AssertionError(request)
        yield Piece(text="")


async def test_a_reply_that_lacks_only_its_end_asks_no_model(nats_server: str) -> None:
    """All words and the last clause were there: the end is told, with all of the words."""
    async with turn_at(nats_server) as turn:
        claim = await claim_on(turn.bus, turn.place, "llm", REQUEST)
        await claim.publish(TokenDelta(turn=1, revision=2, text="Hello there. "))
        await claim.publish(ClauseReady(turn=1, revision=2, text="Hello there."))
        await claim.publish(ClauseReady(turn=1, revision=2, seq=1, text="", last=True))
        await take_over(turn, Mute(FAST))

    (done,) = turn.done()
    assert (done.text, done.finish_reason) == ("Hello there.", "stop")
    assert [(clause.seq, clause.last) for clause in turn.clauses()] == [(0, False), (1, True)]


def test_only_words_without_a_gap_count_and_only_ours() -> None:
    """Other attempts at the turn are no part of it, and behind a gap nothing is certain."""
    ours = GenerateRequest(turn=3, revision=1, messages=())

    def delta(seq: int, text: str, revision: int = 1) -> Event:
        return TokenDelta(turn=3, revision=revision, seq=seq, text=text, tokens=2)

    def clause(seq: int, turn: int = 3) -> Event:
        return ClauseReady(turn=turn, revision=1, seq=seq, text="x")

    found = gathered(
        [
            *(delta(0, "old", 0), delta(0, "a"), delta(1, "b"), delta(3, "d")),
            *(clause(0), clause(1), clause(2, turn=4)),
            GenerationDone(turn=2, revision=1, text=""),
        ],
        ours,
    )

    assert found == Published(text="ab", tokens=4, deltas=2, clauses=2)


async def test_an_upstream_is_told_to_go_on_behind_the_words() -> None:
    """As vLLM and llama.cpp want it, and only where the last message is the assistant's."""
    begun = msgspec.structs.replace(
        REQUEST, messages=(*REQUEST.messages, Message(role="assistant", content="Well,"))
    )
    script = replying(text_event(" yes.", "stop"))
    async with asking(script, prefill=True, first_token_timeout_s=10.0) as (engine, upstream):
        for request in (REQUEST, begun):
            assert [piece async for piece in engine.generate(request)]

    plain, going_on = upstream.bodies
    assert going_on["messages"][-1] == {"role": "assistant", "content": "Well,"}
    assert (going_on["continue_final_message"], going_on["add_generation_prompt"]) == (True, False)
    assert not {"continue_final_message", "add_generation_prompt"} & plain.keys()


@pytest.mark.model
async def test_llama_cpp_goes_on_as_if_nothing_had_happened(nats_server: str) -> None:
    """The real model, cut behind real tokens: the reply is the one of an unharmed worker."""
    request = msgspec.structs.replace(
        REQUEST,
        messages=(
            Message(role="system", content="Answer in two short sentences of spoken English."),
            Message(role="user", content="Why is the sky blue?"),
        ),
        max_tokens=40,
    )

    class Lost(OpenAIEngine):
        """Is lost behind some tokens."""

        async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
            """Stream some pieces, then fail."""
            made = 0
            async for piece in super().generate(request):
                if made == 18:
                    raise EngineError("lost")
                made += 1
                yield piece

    with llama_server() as (_, address):
        settings = OpenAISettings(
            base_url=f"{address}/v1",
            prefill=True,
            first_token_timeout_s=60,
            next_token_timeout_s=60,
        )
        engine, lost = OpenAIEngine(settings), Lost(settings)
        async with turn_at(nats_server) as unharmed:
            await unharmed.answer(engine, request)
        async with turn_at(nats_server) as turn:
            await broken_off(turn, 18, lost, request)
            begun = "".join(delta.text for delta in turn.deltas())
            await take_over(turn, engine, request)
        await engine.close()
        await lost.close()

    whole = unharmed.done()[0].text
    assert begun
    assert whole.startswith(begun.strip())
    assert len(begun) < len(whole)
    expect_whole_text(turn, whole)


def expect_whole_text(turn: Turn, whole: str) -> None:
    """What was read and what is in the history, of a model whose clauses have line ends."""
    assert turn.done()[0].text == whole
    assert "".join(delta.text for delta in turn.deltas()).strip() == whole
    assert "".join("".join(clause.text.split()) for clause in turn.clauses()) == "".join(
        whole.split()
    )
    assert [delta.seq for delta in turn.deltas()] == list(range(len(turn.deltas())))
    assert [clause.seq for clause in turn.clauses()] == list(range(len(turn.clauses())))
