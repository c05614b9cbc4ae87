"""Phrases that are said again and again are made once, for all workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from schemas.tts import SpeakRequest
from schemas.turn import TurnStarted
from services.tts import following
from services.tts.engine import Engine
from services.tts.phrases import Phrases
from services.tts.worker import speak
from subjects.voices import phrase_subject
from tests.services.tts.speaking import Toy, Turn, clause, last, turn_at
from tests.timing import shortest_s
from tests.workers import claim_on, until
from voicebus import metrics
from voicebus.audio.pcm import samples_of
from voicebus.bus.client import Bus
from voicebus.bus.purge import purge

GREETING = "Good morning."


class Printed(Toy):
    """A voice that sounds the same each time, as its name says."""

    def __init__(self, made_by: str = "toy 1") -> None:
        super().__init__()
        self.made_by = made_by

    def fingerprint(self, voice: str) -> str:
        """Return who it is."""
        return self.made_by


class Callers(Phrases):
    """What one worker knows, to whom each turn is somebody else's."""

    turns = 0

    def on(self, engine: Engine, bus: Bus, session: str) -> Engine:
        """Speak to somebody new."""
        self.turns += 1
        return super().on(engine, bus, f"{session}{self.turns}")


@asynccontextmanager
async def worker(most_chars: int = 64, limit_bytes: int = 1 << 20) -> AsyncIterator[Phrases]:
    """What one worker knows."""
    phrases = Callers(most_chars, limit_bytes)
    yield phrases
    await phrases.close()


async def say(turn: Turn, engine: Toy, phrases: Phrases, text: str = GREETING) -> None:
    """Speak a given text, in a turn of its own."""
    await said(
        turn, engine, phrases, SpeakRequest(turn=len(turn.done()) + 1, text=text, common=True)
    )


async def filled(turn: Turn, engine: Toy, phrases: Phrases, number: int) -> None:
    """Speak a turn whose first clause comes late."""
    before = len(engine.texts)
    request = SpeakRequest(turn=number, filler="One moment.", filler_after_s=0.0)
    await turn.tell(TurnStarted(turn=number, text="?"))
    speaking = asyncio.create_task(said(turn, engine, phrases, request))
    await until(lambda: len(engine.texts) > before)
    await turn.tell(clause(0, "Yes.", turn=number), last(1, turn=number))
    await speaking


async def said(turn: Turn, engine: Toy, phrases: Phrases, request: SpeakRequest) -> None:
    """Speak a turn to its end."""
    claim = await claim_on(turn.bus, turn.place, "tts", request)
    before = len(turn.done())
    await asyncio.wait_for(speak(claim, engine, phrases), 60)
    await until(lambda: len(turn.done()) > before)


async def kept(bus: Bus) -> list[str]:
    """Subjects of what is kept."""
    subject = phrase_subject(bus.cell, "*")
    return [message.subject async for message in bus.read("PHRASE", subject)]


async def until_kept(bus: Bus) -> None:
    """Wait until there is something."""
    async with asyncio.timeout(20):
        while not await kept(bus):
            await asyncio.sleep(0.05)


def audio_of(turn: Turn, number: int) -> bytes:
    """What was heard in a turn."""
    return b"".join(chunk.pcm for chunk in turn.chunks() if chunk.turn == number)


async def test_what_is_said_again_is_made_twice_and_kept(nats_server: str) -> None:
    """The third time it is not made, and it sounds as it did; what is said once is not kept."""
    engine = Printed()
    async with turn_at(nats_server) as turn, worker() as phrases:
        for text in (GREETING, GREETING, GREETING, "Something else."):
            await say(turn, engine, phrases, text)
        await until_kept(turn.bus)

        assert engine.texts == [GREETING, GREETING, "Something else."]
        assert audio_of(turn, 1) == audio_of(turn, 2) == audio_of(turn, 3)
        assert len(await kept(turn.bus)) == 1


async def test_what_is_written_for_one_caller_is_not_kept(nats_server: str) -> None:
    """Not though others are told the same: a deleted conversation leaves nothing. Fillers are."""
    engine = Printed()
    async with turn_at(nats_server) as turn, worker() as phrases:
        for number in (1, 2, 3):
            await turn.tell(clause(0, "Hello, Ann.", turn=number), last(1, turn=number))
            await said(turn, engine, phrases, SpeakRequest(turn=number))
        for number in (4, 5):
            await said(turn, engine, phrases, SpeakRequest(turn=number, text="For you."))
        for number in (6, 7):
            await filled(turn, engine, phrases, number)
        await phrases.close()

        assert engine.texts.count("Hello, Ann.") == 3
        assert len(await kept(turn.bus)) == 1
        assert phrases.known(phrases.key(engine, "One moment.", "", 1.0, "en")) is not None


async def test_a_digit_is_a_phrase_whoever_writes_it(nats_server: str) -> None:
    """It tells nothing of anybody; two of them may."""
    engine = Printed()
    async with turn_at(nats_server) as turn, worker() as phrases:
        for number in (1, 2, 3):
            await turn.tell(
                *(clause(0, "7.", turn=number), clause(1, "42.", turn=number)),
                last(2, turn=number),
            )
            await said(turn, engine, phrases, SpeakRequest(turn=number))
        await phrases.close()

        assert [engine.texts.count(text) for text in ("seven.", "forty-two.")] == [2, 3]
        assert len(await kept(turn.bus)) == 1


async def test_what_one_session_is_told_again_and_again_is_not_kept(nats_server: str) -> None:
    """It may concern nobody else."""
    engine = Printed()
    phrases = Phrases(64, 1 << 20)
    async with turn_at(nats_server) as turn:
        for _ in range(3):
            await say(turn, engine, phrases)
        await phrases.close()

        assert engine.texts == 3 * [GREETING]
        assert await kept(turn.bus) == []


async def test_another_worker_knows_it_from_the_bus(nats_server: str) -> None:
    """One that was there hears of it, one that comes later reads it."""
    async with turn_at(nats_server) as turn, worker() as first, worker() as there:
        watching, coming = Printed(), Printed()
        await say(turn, watching, there, "I am here.")
        for _ in range(2):
            await say(turn, Printed(), first)
        key = first.key(watching, GREETING, "", 1.0, "en")
        await until(lambda: there.known(key) is not None)
        await say(turn, watching, there)
        async with worker() as later:
            await say(turn, coming, later, "I come late.")
            await until(lambda: later.known(key) is not None)
            await say(turn, coming, later)

        assert watching.texts == ["I am here."]
        assert coming.texts == ["I come late."]
        assert audio_of(turn, 3) == audio_of(turn, 4) == audio_of(turn, 6)


async def test_what_was_purged_is_forgotten_and_kept_anew(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By those who knew it, too: as long as they say it from memory, nobody else has it."""
    monkeypatch.setattr(following, "LOOK_S", 0.1)
    monkeypatch.setattr(following, "WHOLE_S", 0.1)
    engine = Printed()
    async with turn_at(nats_server) as turn, worker() as phrases:
        for _ in range(3):
            await say(turn, engine, phrases)
        await until_kept(turn.bus)
        key = phrases.key(engine, GREETING, "", 1.0, "en")
        await purge(turn.bus, "PHRASE", phrase_subject(turn.bus.cell, "*"))
        await until(lambda: phrases.known(key) is None, 20)
        await say(turn, engine, phrases)
        await until_kept(turn.bus)

        assert len(engine.texts) == 3
        assert phrases.known(key) is not None


@pytest.mark.parametrize(
    ("made_by", "voice", "speed", "language"),
    [("toy 2", "", 1.0, "en"), ("toy 1", "", 1.1, "en"), ("toy 1", "", 1.0, "de")],
)
async def test_what_sounds_otherwise_is_another_phrase(
    made_by: str, voice: str, speed: float, language: str
) -> None:
    """Another voice, version, speed or language never says what was kept for this one."""
    async with worker() as phrases:
        mine = phrases.key(Printed(), GREETING, "", 1.0, "en")
        other = phrases.key(Printed(made_by), GREETING, voice, speed, language)

    assert mine
    assert other != mine
    assert phrases.key(Printed(), GREETING, "synthetic", 1.0, "en") == mine


async def test_what_is_no_phrase_has_no_key() -> None:
    """Long texts, and voices that never sound the same."""
    async with worker(20) as phrases:
        assert phrases.key(Printed(), "x" * 21, "", 1.0, "en") == ""
        assert phrases.key(Printed(""), GREETING, "", 1.0, "en") == ""


async def test_a_known_phrase_is_there_within_5_ms(nats_server: str) -> None:
    """From the words to all of their audio, without the engine."""
    async with turn_at(nats_server) as turn, worker() as phrases:
        for _ in range(2):
            engine = phrases.on(Printed(), turn.bus, turn.place.session)
            _ = [piece async for piece in engine.synthesise(GREETING, "", 1.0, "en")]
        said = metrics.TTS_PHRASES.labels("said")._value.get()

        async def again() -> float:
            begun_s = time.perf_counter()
            pieces = [piece async for piece in engine.synthesise(GREETING, "", 1.0, "en")]
            took_s = time.perf_counter() - begun_s
            assert len(pieces) == 1
            return took_s

        assert await shortest_s(again, 0.005) < 0.005
        assert metrics.TTS_PHRASES.labels("said")._value.get() > said


async def test_what_was_broken_off_is_not_kept(nats_server: str) -> None:
    """Half a phrase would be heard as half a phrase for ever."""
    toy = Printed()
    async with turn_at(nats_server) as turn, worker() as phrases:
        for _ in range(3):
            engine = phrases.on(toy, turn.bus, turn.place.session)
            speaking = engine.synthesise(GREETING, "", 1.0, "en")
            await anext(speaking)
            await speaking.aclose()

        assert len(toy.texts) == 3
        assert phrases.known(phrases.key(toy, GREETING, "", 1.0, "en")) is None


async def test_the_memory_has_a_limit(nats_server: str) -> None:
    """What was not said for longest goes first."""
    audio = np.ones(1_000, np.int16)
    async with turn_at(nats_server) as turn, worker(limit_bytes=5_000) as phrases:
        for key in "abc":
            for session in ("one", "other"):
                phrases.made(key, audio, 22_050, turn.bus, session)

        known = [key for key in "abc" if phrases.known(key) is not None]
        assert known == ["b", "c"]


async def test_nothing_is_kept_where_nothing_is_recorded(nats_server: str) -> None:
    """Or where phrases are switched off."""
    toy = Printed()
    unrecorded = cast("Bus", SimpleNamespace(records=lambda _: False))
    async with turn_at(nats_server) as turn, worker() as phrases, worker(0) as none:
        assert phrases.on(toy, unrecorded, "one") is toy
        assert none.on(toy, turn.bus, "one") is toy
        assert phrases.on(toy, turn.bus, "one") is not toy


def test_audio_is_read_as_it_was_written() -> None:
    """What comes from the bus is what the voice made."""
    audio = np.array([1, -2, 32_767], np.int16)

    assert samples_of(audio.tobytes()).tolist() == audio.tolist()
