"""Partials of an engine that hears speech as it goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest, TranscriptDraft, TranscriptPartial
from services.stt.engine import Hint
from services.stt.streaming import Hearing, StreamLane
from tests.services.stt.counting import CountingEngine, paced
from tests.services.stt.ears import RATE_HZ, Recogniser, quiet, sound
from tests.services.stt.hearing import Heard, listening
from voicebus.errors import EngineUnavailable

PAUSES = TranscribeRequest(settings=SessionSettings(language="en"))


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
