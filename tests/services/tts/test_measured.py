"""What a voice has spoken, as the metrics count it."""

from __future__ import annotations

import asyncio

import pytest

from schemas.turn import TurnCancelled
from tests.metered import Growth
from tests.services.tts.speaking import Toy, clause, last, turn_at

ENGINE = Toy.name


async def test_characters_and_the_time_for_a_second_of_audio_are_measured(nats_server: str) -> None:
    """Characters as they were written; the time for a clause against the length of its audio."""
    text, growth = "A sentence of forty characters, or more.", Growth()
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, text), last(1))
        await turn.speak(Toy())

    (done,) = turn.done()
    audio_s = done.samples / done.rate_hz
    clause_s = growth.of("voicebus_tts_clause_seconds_sum", engine=ENGINE)
    assert growth.of("voicebus_tts_characters_total", engine=ENGINE) == len(text)
    assert growth.of("voicebus_tts_audio_seconds_total", engine=ENGINE) == pytest.approx(audio_s)
    assert growth.of("voicebus_tts_rtf_ratio_count", engine=ENGINE) == 1
    rtf = growth.of("voicebus_tts_rtf_ratio_sum", engine=ENGINE)
    assert rtf == pytest.approx(clause_s / audio_s)
    assert 0.005 / audio_s <= rtf < 5


async def test_a_clause_that_is_interrupted_was_made_all_the_same(nats_server: str) -> None:
    """Its characters and its audio count; how long it takes nobody knows."""
    growth = Growth()
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "Nobody knows."))
        working = asyncio.create_task(turn.speak(Toy(endless=True)))
        while not turn.chunks():
            await asyncio.sleep(0.01)
        await turn.tell(TurnCancelled(turn=1))
        await asyncio.wait_for(working, 5)

    assert growth.of("voicebus_tts_rtf_ratio_count", engine=ENGINE) == 0
    assert growth.of("voicebus_tts_characters_total", engine=ENGINE) == len("Nobody knows.")
    made_s = sum(len(chunk.pcm) / 2 / chunk.rate_hz for chunk in turn.chunks())
    counted_s = growth.of("voicebus_tts_audio_seconds_total", engine=ENGINE)
    assert counted_s == pytest.approx(made_s, abs=0.1)
