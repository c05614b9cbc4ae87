"""Short stops, of an engine that hears speech as it goes on and makes the finals as well."""

from __future__ import annotations

import asyncio

from schemas.settings import SessionSettings
from schemas.stt import SpeechPaused, TranscribeRequest, TranscriptDraft
from tests.services.stt.counting import CountingEngine, paced
from tests.services.stt.ears import quiet, sound
from tests.services.stt.hearing import listening

PAUSES = TranscribeRequest(settings=SessionSettings(language="en"))


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


async def test_a_pause_that_is_not_sent_ends_the_turn_as_well() -> None:
    """Who stops sending as soon as a pause has begun is waited for no longer than others."""
    both = CountingEngine()
    async with listening(both, request=PAUSES, quick=both) as heard:
        await paced(heard, sound(1.0), quiet(0.22))
        async with asyncio.timeout(5):
            while not heard.of(SpeechPaused):
                await asyncio.sleep(0.001)
        heard.listener.stall(500)
        async with asyncio.timeout(5):
            while not heard.finals():
                await asyncio.sleep(0.001)

    assert [final.text for final in heard.finals()] == ["one two three four!"]
    assert both.seconds == []


async def test_who_goes_on_within_one_piece_of_audio_is_heard_on() -> None:
    """The pause that was none ends nothing, though the piece ends in quiet, too."""
    both = CountingEngine()
    async with listening(both, request=PAUSES, quick=both) as heard:
        await paced(heard, sound(0.6))
        await heard.listener.hear(quiet(0.3) + sound(0.6) + quiet(0.1))
        await paced(heard, quiet(2.0))

    assert len(both.streams) == 1
    assert both.seconds == []
