"""Worker processes killed in mid-reply: the reply goes on, and a deadly job is given up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.claim import Claimed, Presence
from schemas.codec import encode
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerateRequest, GenerationDone, Message, TokenDelta
from schemas.tts import ClauseSpoken, ReplyChunk, SpeakRequest, SpeechDone
from schemas.turn import TurnStarted
from subjects.catalog import Place
from subjects.inboxes import edge_inbox
from subjects.processes import presence_subject
from tests.nats_server import NatsServer
from tests.system import Process, System
from tests.workers import bus_in, until_done
from voicebus import dead_letters, parts
from voicebus.audio.pcm import samples_of
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox

REPLY = (
    "Well, the sea is wide and deep. Many have sailed it, and some of them came back to tell of "
    "it. Nobody knows how many did not, because they cannot be asked. That is all I know of it."
)
SETTINGS = {
    "LLM_ENGINE": "synthetic",
    "LLM_SYNTHETIC_REPLY": REPLY,
    "LLM_SYNTHETIC_TOKENS_PER_S": "12",
    "LLM_PREFILL": "true",
    "TTS_ENGINE": "synthetic",
    "TTS_SYNTHETIC_PIECE_MS": "90",
    "TTS_SYNTHETIC_PACE": "0.3",
}
LIMIT_S = 60.0

E = TypeVar("E", bound=Event)


class Listener:
    """What an edge hears of one session."""

    def __init__(self, bus: Bus, place: Place, inbox: Inbox) -> None:
        self.bus = bus
        self.place = place
        self._inbox = inbox
        self._heard: list[Event] = []

    async def listen(self) -> None:
        """Note what comes until cancelled, and be there, as an edge is."""
        subject = presence_subject(self.place.cell, "edge", self.place.edge)
        here = encode(Presence(role="edge", worker=self.place.edge, slots=1, busy=1))
        beating = asyncio.create_task(self._beat(subject, here))
        try:
            async for _, event in self._inbox:
                self._heard.append(event)
        finally:
            beating.cancel()

    async def _beat(self, subject: str, here: bytes) -> None:
        while True:
            await self.bus.publish_raw(subject, here)
            await asyncio.sleep(1)

    def of(self, kind: type[E], turn: int = 1) -> list[E]:
        """What was heard of a kind, each number once, as the edge takes it."""
        found: dict[int, E] = {}
        for event in self._heard:
            if isinstance(event, kind) and event.turn == turn:
                found.setdefault(event.seq, event)
        return [found[number] for number in sorted(found)]

    def claims(self, role: str) -> list[Claimed]:
        """Who took a role's jobs, in order."""
        return [e for e in self._heard if isinstance(e, Claimed) and e.role == role]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                await asyncio.sleep(0.01)

    async def ask(self, text: str, turn: int = 1) -> None:
        """Begin a turn: its answer, and its voice."""
        asked = (Message(role="user", content=text),)
        await self.bus.store(TurnStarted(turn=turn, text=text), self.place)
        job = f"{turn}-0"
        await self.bus.store(GenerateRequest(turn=turn, messages=asked), self.place, job=job)
        speak = SpeakRequest(turn=turn, rate_hz=16_000)
        await self.bus.store(speak, self.place, job=job)

    async def hand_on(self, role: str) -> None:
        """Have the job of a lost worker given to the next one, as the supervisor does."""
        await self.bus.publish_raw(self.claims(role)[-1].ack, b"-NAK")

    def expect_whole_words(self) -> None:
        """The text is all there, in order, once: for readers, for the speaker, and at the end."""
        deltas, clauses = self.of(TokenDelta), self.of(ClauseReady)
        assert [delta.seq for delta in deltas] == list(range(len(deltas)))
        assert "".join(delta.text for delta in deltas) == REPLY
        assert [clause.seq for clause in clauses] == list(range(len(clauses)))
        assert " ".join(clause.text for clause in clauses if clause.text) == REPLY
        assert [done.text for done in self.of(GenerationDone)] == [REPLY]

    def audio(self) -> NDArray[np.int16]:
        """The audio, which must be without gap and doubling."""
        chunks = self.of(ReplyChunk)
        position = 0
        for number, chunk in enumerate(chunks):
            assert (chunk.seq, chunk.offset) == (number, position)
            position += len(chunk.pcm) // 2
        assert [done.samples for done in self.of(SpeechDone)] == [position]
        return samples_of(b"".join(chunk.pcm for chunk in chunks))

    def spoken(self) -> list[ClauseSpoken]:
        """Which words are where, whoever said so."""
        return [msgspec.structs.replace(spoken, epoch=0) for spoken in self.of(ClauseSpoken)]


@pytest.fixture
def system(tmp_path: Path, own_nats_server: NatsServer) -> System:
    """No process yet: each test starts the workers that it wants."""
    (tmp_path / "parts").mkdir()
    return System(tmp_path / "parts", SETTINGS, own_nats_server, roles=())


@asynccontextmanager
async def session_on(system: System) -> AsyncIterator[Listener]:
    """A session, listened to; every process is ended afterwards."""
    place = Place("local", "edge-1", "session-1")
    try:
        async with (
            bus_in(system.nats.url, place.cell) as bus,
            bus.listen(edge_inbox(place.cell, place.edge)) as inbox,
        ):
            await bus.flush()
            listener = Listener(bus, place, inbox)
            listening = asyncio.create_task(listener.listen())
            yield listener
            listening.cancel()
            await asyncio.wait((listening,))
    finally:
        await asyncio.to_thread(system.stop)


def launched(system: System, role: str, name: str, **settings: str) -> Process:
    """Start a worker."""
    part = parts.worker_part(role, system.environment(WORKER_ID=name, **settings))
    return system.add(msgspec.structs.replace(part, name=name))


async def started(system: System, role: str, name: str, **settings: str) -> Process:
    """Start a worker and wait until it takes claims."""
    process = launched(system, role, name, **settings)
    await asyncio.to_thread(system.wait_ready)
    return process


def taken_over(system: System, role: str, name: str) -> dict[str, float]:
    """What a worker has done about the work of lost ones, by its metrics."""
    counted = {
        dict(labels)["outcome"]: value
        for (metric, labels), value in system.samples(name).items()
        if metric == "voicebus_takeovers_total" and dict(labels)["role"] == role
    }
    return {outcome: value for outcome, value in counted.items() if value}


async def gone(system: System, process: Process) -> None:
    """Wait until a process has ended; the others are to be ready without it."""
    await asyncio.to_thread(process.wait, LIMIT_S)
    del system.processes[process.name]


@pytest.mark.fault
async def test_killed_in_mid_reply_both_go_on_where_they_were(system: System) -> None:
    """The model's worker and the voice's die in one reply; nobody can tell but by the epoch."""
    async with session_on(system) as heard:
        llm = await started(system, "llm", "llm-1")
        tts = await started(system, "tts", "tts-1")
        await heard.ask("What of the sea?")
        await heard.until(lambda: len(heard.of(TokenDelta)) >= 9)
        llm.signal(signal.SIGKILL)
        await gone(system, llm)
        begun = len(heard.of(TokenDelta))
        await started(system, "llm", "llm-2")
        await heard.hand_on("llm")
        await heard.until(lambda: len(heard.of(ReplyChunk)) >= 40)
        tts.signal(signal.SIGKILL)
        await gone(system, tts)
        await started(system, "tts", "tts-2")
        await heard.hand_on("tts")
        await heard.until(lambda: bool(heard.of(SpeechDone)))
        await until_done(heard.bus, "tts", LIMIT_S)

        heard.expect_whole_words()
        audio, spoken = heard.audio(), heard.spoken()
        epochs = {event.epoch for event in heard.of(ReplyChunk)}
        taken = {role: taken_over(system, role, f"{role}-2") for role in ("llm", "tts")}
        read = system.metric("llm-2", "voicebus_bus_replayed_total", stream="SESSION")
    assert 9 <= begun < len(REPLY.split())
    assert [claim.worker for claim in heard.claims("llm")] == ["llm-1", "llm-2"]
    assert [claim.worker for claim in heard.claims("tts")] == ["tts-1", "tts-2"]
    assert len(epochs) == 2
    assert " ".join(clause.text for clause in spoken) == REPLY
    assert len(audio) == spoken[-1].end
    assert taken == {"llm": {"continued": 1}, "tts": {"continued": 1}}
    assert read >= begun  # what was said before is read out of the log


@pytest.mark.fault
@pytest.mark.parametrize(
    "after",
    [pytest.param(1, marks=pytest.mark.slow), 7, pytest.param(30, marks=pytest.mark.slow)],
)
async def test_a_voice_that_crashes_at_any_piece_is_gone_on_with(
    system: System, after: int
) -> None:
    """The audio is that of a turn in which nobody died."""
    async with session_on(system) as heard:
        await started(system, "llm", "llm-1", LLM_SYNTHETIC_TOKENS_PER_S="500")
        crash = {"TTS_SYNTHETIC_FAULT": "crash", "TTS_SYNTHETIC_FAULT_AFTER": str(after)}
        tts = await started(system, "tts", "tts-1", TTS_SYNTHETIC_PACE="0.02", **crash)
        await heard.ask("What of the sea?")
        await gone(system, tts)
        await started(system, "tts", "tts-2", TTS_SYNTHETIC_PACE="0.02")
        await heard.hand_on("tts")
        await heard.until(lambda: bool(heard.of(SpeechDone)))
        broken = heard.audio()
        await heard.ask("And once more?", turn=2)
        await heard.until(lambda: bool(heard.of(SpeechDone, 2)))
        whole = samples_of(b"".join(chunk.pcm for chunk in heard.of(ReplyChunk, 2)))

    assert len(broken) == len(whole)
    # The resampler adds noise of one step or two where it rounds.
    assert np.abs(broken.astype(int) - whole).max() <= 2


@pytest.mark.fault
async def test_a_job_that_kills_three_workers_is_given_up(system: System) -> None:
    """The fourth worker does not touch it: the caller is told, and others are served."""
    deadly = {"LLM_SYNTHETIC_FAULT": "crash", "LLM_SYNTHETIC_FAULT_TEXT": "poison"}
    async with session_on(system) as heard:
        await heard.ask("poison")
        for number in (1, 2, 3):
            await gone(system, launched(system, "llm", f"llm-{number}", **deadly))
            await heard.hand_on("llm")
        await started(system, "llm", "llm-4", **deadly)
        await heard.until(lambda: bool(heard.of(Failure)))
        await heard.ask("water", turn=2)
        await heard.until(lambda: bool(heard.of(GenerationDone, 2)))
        letters = [letter async for letter in dead_letters.kept(heard.bus)]
        buried = system.metric("llm-4", "voicebus_dead_letters_total", role="llm")
        poisoned = system.metric("llm-4", "voicebus_claims_total", role="llm", outcome="poisoned")

    (failure,) = heard.of(Failure)
    assert (failure.stage, failure.code, failure.turn) == ("llm", "poisoned", 1)
    (letter,) = letters
    assert letter.letter.workers == ("llm-1", "llm-2", "llm-3")
    assert letter.letter.reason == "the worker was lost"
    assert (buried, poisoned) == (1, 1)
    assert [done.text for done in heard.of(GenerationDone, 2)] == [REPLY]
    assert heard.of(TokenDelta) == []
