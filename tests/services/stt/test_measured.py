"""What ears have heard, as the metrics count it, and which trace their lines name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import capture_logs

from schemas.failure import Failure
from schemas.stt import TranscriptFinal
from services.stt.engine import Recognition
from tests.metered import Growth
from tests.services.stt.ears import Recogniser, ears_of, quiet, sound
from tests.services.stt.test_worker import UTTERANCE, Caller, call, transcribed
from voicebus.errors import EngineUnavailable
from voicebus.tracing.spans import Span
from voicebus.tracing.tracing import Tracing

ENGINE_S = 0.05
TOLD = [structlog.contextvars.merge_contextvars]


async def final_of(caller: Caller) -> TranscriptFinal:
    """Say an utterance; return what is understood."""
    await caller.say(UTTERANCE)
    heard = await caller.hears(2)
    return next(event for event in heard if isinstance(event, TranscriptFinal))


async def test_speech_and_the_time_for_a_second_of_it_are_measured(nats_server: str) -> None:
    """Speech as long as the utterance, and the engine's time for it against that."""
    growth, engine = Growth(), Recogniser(recognise_ms=ENGINE_S * 1000)
    async with call(nats_server) as (bus, place, caller), transcribed(bus, place, engine):
        await final_of(caller)
        await final_of(caller)

    final = {"engine": "toy", "kind": "final"}
    speech_s = growth.of("voicebus_stt_audio_seconds_total", engine="toy")
    engine_s = growth.of("voicebus_stt_compute_seconds_sum", **final)
    assert 2 * 0.8 <= speech_s < 2 * 1.2
    assert 2 * ENGINE_S <= engine_s < 2.0
    assert growth.of("voicebus_stt_rtf_ratio_count", **final) == 2
    assert growth.of("voicebus_stt_rtf_ratio_sum", **final) / 2 == pytest.approx(
        engine_s / speech_s, rel=0.3
    )


async def test_what_nobody_understood_is_no_speech_that_was_recognised(nats_server: str) -> None:
    """An utterance of which the engine failed is a failure, and not a fast one."""
    growth, engine = Growth(), Recogniser()
    engine.failures = [EngineUnavailable("the model is gone")]
    async with call(nats_server) as (bus, place, caller), transcribed(bus, place, engine):
        await caller.say(sound(0.8) + quiet(0.8))
        await caller.hears(2)

    assert growth.of("voicebus_stt_audio_seconds_total", engine="toy") == 0
    assert growth.of("voicebus_stt_rtf_ratio_count", engine="toy", kind="final") == 0
    assert growth.of("voicebus_failures_total", stage="stt", code="engine_unavailable") == 1


async def test_words_that_nobody_said_are_dropped_and_counted() -> None:
    """What a recogniser makes of silence is no text."""

    class Real(Recogniser):
        """One whose texts come from the audio."""

        synthetic = False

    growth = Growth()
    async with ears_of(Real()) as ears:
        kept = ears.words_in(Recognition("The sea is wide.", "en", 0.85, 0.05), 1_500)
        dropped = ears.words_in(Recognition("Thanks for watching!", "en", 0.5, 0.2), 900)

    assert (kept, dropped) == ("The sea is wide.", "")
    assert growth.of("voicebus_stt_hallucinations_total") == 1


@asynccontextmanager
async def traced(url: str, engine: Recogniser) -> AsyncIterator[tuple[Caller, list[Span]]]:
    """A session whose worker traces what it does."""
    spans: list[Span] = []
    async with call(url) as (bus, place, caller):
        bus.tracing = Tracing(spans.append)
        async with transcribed(bus, place, engine):
            yield caller, spans


async def test_a_line_names_the_trace_of_its_own_utterance(nats_server: str) -> None:
    """Each final has its own; what went wrong with the next utterance is of no turn before it."""
    engine = Recogniser()
    with capture_logs(processors=TOLD) as lines:
        async with traced(nats_server, engine) as (caller, spans):
            await final_of(caller)
            await final_of(caller)
            engine.failures = [EngineUnavailable("the model is gone")]
            await caller.say(UTTERANCE)
            failed = await caller.hears(2)

    heard = [span.trace_id for span in spans if span.name == "speech_to_text"]
    named = [line.get("trace_id") for line in lines if line["event"] == "utterance.ended"]
    assert len(set(heard)) == 2
    assert named == heard
    assert Failure in {type(event) for event in failed}
    (broken,) = [line for line in lines if line["event"] == "stage.failed"]
    assert "trace_id" not in broken


async def test_without_tracing_no_line_names_a_trace(nats_server: str) -> None:
    """There is none to look for."""
    with capture_logs(processors=TOLD) as lines:
        async with call(nats_server) as (bus, place, caller):
            async with transcribed(bus, place, Recogniser()):
                await final_of(caller)
            await asyncio.sleep(0)

    ended = [line for line in lines if line["event"] == "utterance.ended"]
    assert [(line["utterance"], "trace_id" in line) for line in ended] == [(1, False)]
