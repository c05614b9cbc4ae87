"""The LLM worker on a real bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median

import msgspec
import pytest

from schemas.event import Event
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone, Message, TokenDelta
from schemas.tts import SpeakRequest
from schemas.turn import TurnCancelled, TurnStarted
from services.llm.engine import Engine, Piece
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import alone
from services.llm.settings import REPLY
from services.llm.worker import JOIN_S, answer
from subjects.catalog import Place, subject_of
from tests.workers import bus_in, claim_on, new_place
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.errors import EngineError, EngineUnavailable, ProtocolError
from voicebus.lately import Lately

REQUEST = GenerateRequest(turn=1, revision=2, messages=(Message(role="user", content="hello"),))
REASONS = ("speculative", "interrupted")
KINDS = (TokenDelta, ClauseReady, GenerationDone)


class Toy(SyntheticEngine):
    """A model at a steady pace that notes when it was asked to stop."""

    finish_reason = "stop"

    def __init__(self, tokens: int, pace_s: float, error: Exception | None = None) -> None:
        super().__init__(SyntheticSettings())
        self.made_s: list[float] = []
        self.stopped = asyncio.Event()
        self.request: GenerateRequest | None = None
        self._tokens = tokens
        self._pace_s = pace_s
        self._error = error

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Stream so many tokens, then end or fail."""
        self.request = request
        try:
            for number in range(self._tokens):
                await asyncio.sleep(self._pace_s)
                self.made_s.append(time.perf_counter())
                yield Piece(text=f" w{number}")
            if self._error is not None:
                raise self._error
            yield Piece(text="", finish_reason=self.finish_reason, tokens=self._tokens)
        finally:
            self.stopped.set()


class Turn:
    """A claimed turn, and who listens to it."""

    def __init__(self, bus: Bus, place: Place, inbox: Inbox) -> None:
        self.bus = bus
        self.place = place
        self._inbox = inbox
        self.heard: list[tuple[float, Event]] = []

    async def listen(self) -> None:
        """Note what comes and when, until cancelled."""
        async for _, event in self._inbox:
            self.heard.append((time.perf_counter(), event))

    async def answer(
        self, engine: Engine, request: GenerateRequest = REQUEST, firsts: Lately | None = None
    ) -> None:
        """Do the work of the turn, and hear all of it."""
        claim = await claim_on(self.bus, self.place, "llm", request)
        await answer(claim, alone(engine), firsts)
        await self.bus.flush()
        await asyncio.sleep(0.05)

    def deltas(self) -> list[TokenDelta]:
        """The text as it came."""
        return [event for _, event in self.heard if isinstance(event, TokenDelta)]

    def clauses(self) -> list[ClauseReady]:
        """What can be spoken, as it came."""
        return [event for _, event in self.heard if isinstance(event, ClauseReady)]

    def done(self) -> list[GenerationDone]:
        """The end."""
        return [event for _, event in self.heard if isinstance(event, GenerationDone)]


@asynccontextmanager
async def turn_at(url: str) -> AsyncIterator[Turn]:
    """A turn of a new session, listened to."""
    place = new_place()
    async with (
        bus_in(url, place.cell) as bus,
        bus.listen(*(subject_of(kind, place) for kind in KINDS)) as inbox,
    ):
        await bus.flush()
        turn = Turn(bus, place, inbox)
        listening = asyncio.create_task(turn.listen())
        yield turn
        listening.cancel()
        await asyncio.wait((listening,))


async def test_a_reply_comes_as_text_as_clauses_and_as_a_whole(nats_server: str) -> None:
    """All three say the same, in order, under turn and revision."""
    firsts = Lately()
    async with turn_at(nats_server) as turn:
        engine = SyntheticEngine(SyntheticSettings(ttft_ms=30, tokens_per_s=200))
        await turn.answer(engine, firsts=firsts)

    (done,) = turn.done()
    assert done.text == REPLY
    assert "".join(delta.text for delta in turn.deltas()).strip() == REPLY
    assert " ".join(clause.text for clause in turn.clauses() if clause.text) == REPLY
    assert [delta.seq for delta in turn.deltas()] == list(range(len(turn.deltas())))
    assert [clause.seq for clause in turn.clauses()] == list(range(len(turn.clauses())))
    assert [clause.last for clause in turn.clauses()].count(True) == 1
    assert turn.clauses()[-1].last
    assert {(event.turn, event.revision) for _, event in turn.heard} == {(1, 2)}
    assert (done.model, done.synthetic, done.finish_reason) == ("synthetic", True, "stop")
    assert done.tokens == len(REPLY.split())
    assert 25 <= done.ttft_ms < done.duration_ms
    assert firsts.quantiles() == (done.ttft_ms, done.ttft_ms)


async def test_the_first_clause_does_not_wait_for_the_reply(nats_server: str) -> None:
    """Somebody is to hear it while the rest is written."""
    async with turn_at(nats_server) as turn:
        begun_s = time.perf_counter()
        await turn.answer(SyntheticEngine(SyntheticSettings(ttft_ms=10, tokens_per_s=15)))

    first_s = next(at_s for at_s, event in turn.heard if isinstance(event, ClauseReady)) - begun_s
    done_s = next(at_s for at_s, event in turn.heard if isinstance(event, GenerationDone)) - begun_s
    assert first_s < 0.7 * done_s


async def test_tokens_are_joined_and_none_waits_long(
    nats_server: str, record_property: Callable[[str, object], None]
) -> None:
    """At 200 tokens a second a message has several; the first one goes at once."""
    engine = Toy(tokens=200, pace_s=0.005)
    async with turn_at(nats_server) as turn:
        await turn.answer(engine)

    arrivals = [at_s for at_s, event in turn.heard if isinstance(event, TokenDelta)]
    counts = [delta.text.count("w") for delta in turn.deltas()]
    waits_s, made = [], iter(engine.made_s)
    for at_s, count in zip(arrivals, counts, strict=True):
        waits_s += [at_s - next(made) for _ in range(count)]
    waits_s.sort()
    record_property("join_wait_p50_ms", round(waits_s[100] * 1000, 1))
    record_property("join_wait_max_ms", round(waits_s[-1] * 1000, 1))

    assert sum(counts) == 200
    assert counts[0] == 1
    assert len(counts) < 60
    # A loop that was held up hands over at once what came meanwhile: single gaps say nothing.
    assert median(later - sooner for sooner, later in pairwise(arrivals[1:])) > JOIN_S / 2
    assert waits_s[100] < 2 * JOIN_S
    assert waits_s[-1] < 0.5


async def test_a_cancelled_turn_stops_the_model(
    nats_server: str, record_property: Callable[[str, object], None]
) -> None:
    """The stream to the model is closed at once, and nothing more is said."""
    engine = Toy(tokens=10_000, pace_s=0.005)
    async with turn_at(nats_server) as turn:
        working = asyncio.create_task(turn.answer(engine))
        while len(turn.deltas()) < 3:
            await asyncio.sleep(0.01)
        await turn.bus.publish(TurnCancelled(turn=1, revision=2), turn.place)
        cancelled_s = time.perf_counter()
        await asyncio.wait_for(engine.stopped.wait(), 2)
        took_s = time.perf_counter() - cancelled_s
        await asyncio.wait_for(working, 2)
        said = len(turn.heard)
        await asyncio.sleep(0.1)

        assert len(turn.heard) == said

    record_property("cancel_ms", round(took_s * 1000, 1))
    assert took_s < 0.5
    assert turn.done() == []
    assert not any(clause.last for clause in turn.clauses())


@pytest.mark.parametrize(
    ("speculative", "released", "reason"),
    [(False, False, "interrupted"), (True, True, "interrupted"), (True, False, "speculative")],
)
async def test_words_that_were_for_nothing_are_counted(
    nats_server: str, speculative: bool, released: bool, reason: str
) -> None:
    """By why: the turn was broken off, or it never began; the request is passed on as it is."""
    counter = metrics.LLM_WASTED_TOKENS.labels(reason)
    before = counter._value.get()
    request = msgspec.structs.replace(REQUEST, speculative=speculative)
    engine = Toy(tokens=10_000, pace_s=0.005)
    async with turn_at(nats_server) as turn:
        if released:
            await turn.bus.store(TurnStarted(turn=1, revision=2, text="x"), turn.place)
        working = asyncio.create_task(turn.answer(engine, request))
        while len(turn.deltas()) < 3:
            await asyncio.sleep(0.01)
        await turn.bus.publish(TurnCancelled(turn=1, revision=2), turn.place)
        await asyncio.wait_for(working, 2)

    assert engine.request == request
    assert counter._value.get() - before == pytest.approx(len(engine.made_s), abs=1)


async def test_a_reply_that_was_written_to_its_end_is_no_waste(nats_server: str) -> None:
    """What is cancelled behind its end was not for nothing here."""
    before = [metrics.LLM_WASTED_TOKENS.labels(why)._value.get() for why in REASONS]
    async with turn_at(nats_server) as turn:
        await turn.answer(Toy(tokens=5, pace_s=0.001))
        await turn.bus.publish(TurnCancelled(turn=1, revision=2), turn.place)

    assert [metrics.LLM_WASTED_TOKENS.labels(why)._value.get() for why in REASONS] == before


async def test_a_model_that_breaks_off_is_a_failure_after_its_words(nats_server: str) -> None:
    """What it had said is published; that it was all is not pretended."""
    error = EngineUnavailable("the model broke off")
    async with turn_at(nats_server) as turn:
        with pytest.raises(EngineUnavailable, match="broke off"):
            await turn.answer(Toy(tokens=5, pace_s=0.002, error=error))
        await turn.bus.flush()
        await asyncio.sleep(0.05)

    assert "".join(delta.text for delta in turn.deltas()) == " w0 w1 w2 w3 w4"
    assert turn.done() == []


async def test_a_reply_without_words_ends_all_the_same(nats_server: str) -> None:
    """Nobody waits for clauses that do not come."""
    async with turn_at(nats_server) as turn:
        await turn.answer(Toy(tokens=0, pace_s=0.001))

    assert turn.deltas() == []
    assert [clause.last for clause in turn.clauses()] == [True]
    assert [done.text for done in turn.done()] == [""]


async def test_a_model_that_thought_all_its_words_away_has_failed(nats_server: str) -> None:
    """The caller is told so, and does not wait in silence."""
    thinker = Toy(tokens=0, pace_s=0.001)
    thinker.finish_reason = "length"
    async with turn_at(nats_server) as turn:
        with pytest.raises(EngineError, match="gave no answer"):
            await turn.answer(thinker)

    assert turn.clauses() == []
    assert turn.done() == []


async def test_another_request_is_refused(nats_server: str) -> None:
    """A job on the wrong subject fails in words."""

    async def refused(bus: Bus, place: Place, work: Callable[..., Awaitable[None]]) -> None:
        claim = await claim_on(bus, place, "llm", SpeakRequest(turn=1))
        with pytest.raises(ProtocolError, match="SpeakRequest"):
            await work(claim, alone(Toy(tokens=1, pace_s=0.1)))

    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        await refused(bus, place, answer)

        assert bus.is_connected
