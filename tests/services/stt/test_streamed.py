"""Partials of an engine that hears speech as it goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest, TranscriptDraft, TranscriptPartial
from services.stt.engine import Hint, Recognition
from services.stt.streaming import Hearing, StreamLane
from tests.services.stt.ears import RATE_HZ, Recogniser, quiet, sound, steps
from tests.services.stt.hearing import Heard, listening
from voicebus.errors import EngineError, EngineUnavailable

PAUSES = TranscribeRequest(settings=SessionSettings(language="en"))
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


class Counting:
    """Understands a word in each 300 ms, and notes what it is given."""

    def __init__(self, engine: CountingEngine) -> None:
        self._engine = engine
        self.samples = 0
        self.failing = False

    def hear(self, samples: NDArray[np.float32]) -> str:
        """Count, as soon as that may be."""
        if not self._engine.may_hear.is_set():
            self._engine.waiting += 1
            self._engine.may_hear.wait(30)
        if self._engine.failing or self.failing:
            raise EngineError("no ears")
        self.samples += len(samples)
        return self._text()

    def finish(self) -> Recognition:
        """Say how far it counted."""
        return Recognition(f"{self._text()}!", "en", 1.0, 0.0)

    def _text(self) -> str:
        return " ".join(WORDS[: self.samples * 10 // (3 * RATE_HZ)])


class CountingEngine(Recogniser):
    """A quick engine; also one that makes finals, where a test wants that."""

    language = "en"

    def __init__(self) -> None:
        super().__init__()
        self.failing = False
        self.waiting = 0
        self.may_hear = threading.Event()
        self.may_hear.set()
        self.streams: list[Counting] = []
        self.hinted: list[Hint] = []

    def begin(self, hint: Hint) -> Hearing:
        """Begin to count."""
        self.hinted.append(hint)
        self.streams.append(Counting(self))
        return self.streams[-1]


def asking(partials: str = "auto", language: str = "en") -> TranscribeRequest:
    """A session whose caller ends the turns."""
    return TranscribeRequest(
        settings=SessionSettings(
            turn_taking="manual",
            language=language,
            partials=partials,  # type: ignore[arg-type]
            grammar="one, two",
        )
    )


def partials(heard: Heard) -> list[TranscriptPartial]:
    """What was shown."""
    return [event for event in heard.events if isinstance(event, TranscriptPartial)]


async def spoken(heard: Heard) -> None:
    """Speak for one and a half seconds, at a pace that leaves time to hear."""
    for _ in range(15):
        await heard.hear(sound(0.1))
        await asyncio.sleep(0.02)


async def paced(heard: Heard, *pieces: bytes) -> None:
    """Play this, at a pace that leaves time for drafts as well."""
    for piece in pieces:
        for step in steps(piece):
            await heard.hear(step)
            await asyncio.sleep(0.005)


async def test_each_sample_is_heard_once_and_shown_at_once() -> None:
    """Partials grow with the speech, and no audio is recognised again for them."""
    quick = CountingEngine()
    async with listening(Recogniser(), request=asking(), quick=quick) as heard:
        await spoken(heard)
        await heard.end()

    shown = [event.text for event in partials(heard)]
    assert shown[:3] == ["one", "one two", "one two three"]
    assert all(long.startswith(short) for short, long in pairwise(shown))
    assert [event.text for event in heard.finals()] == ["synthetic utterance of 1.5 seconds"]
    assert quick.streams[0].samples <= 1.7 * RATE_HZ
    assert quick.hinted[0].grammar == "one, two"


async def test_a_second_opinion_settles_nothing() -> None:
    """What another engine will say may differ in every word; the same engine's words settle."""
    both = CountingEngine()
    async with listening(Recogniser(), request=asking(), quick=CountingEngine()) as heard:
        await spoken(heard)
    async with listening(both, request=asking(), quick=both) as alone:
        await spoken(alone)

    assert {event.stable for event in partials(heard)} == {0}
    assert partials(alone)[-1].stable > 0


async def test_what_was_heard_is_the_final() -> None:
    """Where one engine does both, nothing is recognised twice; who goes on is heard anew."""
    both = CountingEngine()
    async with listening(both, request=asking(), quick=both) as heard:
        await spoken(heard)
        await heard.end()
    async with listening(both, request=PAUSES, quick=both) as paused:
        await paced(paused, sound(0.6), quiet(0.4), sound(0.6), quiet(2.0))

    assert [final.text for final in heard.finals()] == ["one two three four five!"]
    (final,) = paused.finals()
    assert final.text.startswith("one two three four")
    drafts = [event.text for event in paused.events if isinstance(event, TranscriptDraft)]
    assert drafts[-1] == final.text
    assert drafts[0].startswith("one two")
    assert both.seconds == []


async def test_a_stop_within_a_word_ends_nothing() -> None:
    """Nothing is heard anew for a stop that nobody takes for a pause."""
    both = CountingEngine()
    async with listening(both, request=PAUSES, quick=both) as heard:
        await paced(heard, sound(0.6), quiet(0.15), sound(0.6), quiet(0.15), sound(0.3), quiet(2.0))

    assert len(both.streams) == 1
    assert [final.text for final in heard.finals()] == ["one two three four five six!"]
    drafts = [event.text for event in heard.events if isinstance(event, TranscriptDraft)]
    assert drafts == ["one two three four five six!"]
    assert both.seconds == []


async def test_who_says_in_a_pause_that_it_is_the_end_is_not_kept_waiting() -> None:
    """What was to be ended with the pause ends at once."""
    both = CountingEngine()
    async with listening(both, request=PAUSES, quick=both) as heard:
        await paced(heard, sound(1.0), quiet(0.12))
        await heard.end()
        async with asyncio.timeout(5):
            while not heard.finals():
                await asyncio.sleep(0.001)

    assert [final.text for final in heard.finals()] == ["one two three!"]
    assert both.seconds == []


async def test_what_fails_in_a_stop_is_heard_as_a_whole() -> None:
    """The words that were heard in it would be missing."""
    both = CountingEngine()
    async with listening(both, request=PAUSES, quick=both) as heard:
        await paced(heard, sound(0.54), quiet(0.14))
        both.failing = True
        await paced(heard, quiet(0.04))
        both.failing = False
        await paced(heard, quiet(2.0))

    (final,) = heard.finals()
    assert final.text.startswith("synthetic utterance of")


@pytest.mark.parametrize(("wanted", "language"), [("same", "en"), ("auto", "de"), ("auto", "")])
async def test_the_quick_engine_is_not_asked(wanted: str, language: str) -> None:
    """Sessions may do without it, and it shows nothing in a language that may be another one."""
    quick = CountingEngine()
    async with listening(Recogniser(), 100, asking(wanted, language), quick=quick) as heard:
        await spoken(heard)

    assert quick.streams == []
    assert partials(heard)
    assert "synthetic" in partials(heard)[0].text


async def test_a_session_may_have_no_partials() -> None:
    """Then nobody makes any."""
    quick, engine = CountingEngine(), Recogniser()
    async with listening(engine, 100, asking("none"), quick=quick) as heard:
        await spoken(heard)
        await heard.end()

    assert partials(heard) == []
    assert len(engine.seconds) == 1
    assert heard.finals()


async def test_an_engine_that_fails_costs_the_partials_only() -> None:
    """The final comes from the other engine; the next utterance is shown again."""
    quick = CountingEngine()
    quick.failing = True
    async with listening(Recogniser(), request=asking(), quick=quick) as heard:
        await spoken(heard)
        await heard.hear(quiet(1.0))
        quick.failing = False
        await spoken(heard)
        await heard.end()

    assert len(heard.finals()) == 2
    assert {event.utterance for event in partials(heard)} == {2}
    assert heard.failures == []


async def test_what_failed_is_heard_as_a_whole_for_the_final() -> None:
    """Where one engine does both, the words of what failed are not missing in the end."""
    both = CountingEngine()
    both.failing = True
    async with listening(both, request=asking(), quick=both) as heard:
        await spoken(heard)
        await heard.end()

    assert [final.text for final in heard.finals()] == ["synthetic utterance of 1.5 seconds"]
    assert partials(heard) == []


async def held(heard: Heard, engine: CountingEngine) -> None:
    """Speak for a second, and go on while the engine is busy with what was said."""
    await spoken(heard)
    engine.may_hear.clear()
    async with asyncio.timeout(10):
        while not engine.waiting:
            await heard.hear(sound(0.1))


async def test_what_fails_while_the_speaker_ends_is_heard_as_a_whole() -> None:
    """Its last words would be missing, and nobody would know of it."""
    both = CountingEngine()
    async with listening(both, request=asking(), quick=both) as heard:
        await held(heard, both)
        await heard.hear(quiet(1.0))
        both.failing = True
        both.may_hear.set()
        await heard.end()

    (final,) = heard.finals()
    assert final.text.startswith("synthetic utterance of")
    assert heard.failures == []


async def test_what_is_heard_late_is_no_part_of_the_next_utterance() -> None:
    """Neither are its words shown there, nor does its failure silence that one."""
    for fails in (False, True):
        both = CountingEngine()
        async with listening(both, request=asking(), quick=both) as heard:
            await held(heard, both)
            both.streams[-1].failing = fails
            await heard.hear(quiet(1.0), sound(0.4))
            both.may_hear.set()
            await spoken(heard)
            await heard.end()

        assert len(heard.finals()) == 2
        shown = [event.text for event in partials(heard) if event.utterance == 2]
        assert shown
        assert fails or shown[0] in ("one", "one two")


class Slow(CountingEngine):
    """Hears when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def begin(self, hint: Hint) -> Hearing:
        """Wait."""
        self.go.wait(30)
        return super().begin(hint)


async def test_who_is_cancelled_is_free_at_once() -> None:
    """Within 50 ms, whatever the library does; the lane closes behind it."""
    engine = Slow()
    lane = StreamLane(engine)
    await lane.start()
    hearing = asyncio.create_task(lane.begin(Hint()).hear(np.zeros(1600, np.float32), "session"))
    await asyncio.sleep(0.05)

    begun_s = time.perf_counter()
    hearing.cancel()
    await asyncio.wait((hearing,))
    took_s = time.perf_counter() - begun_s
    engine.go.set()
    await lane.close()

    assert hearing.cancelled()
    assert took_s < 0.05
    with pytest.raises(EngineUnavailable):
        lane.begin(Hint())
