"""Traces of a real system, sent to a collector."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client.openmetrics import parser

from tests.collector import Collector, Kept, collector
from tests.e2e.client import PAUSE, connected
from tests.e2e.openai import realtime
from tests.models import model_path
from tests.system import SYNTHETIC, System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav

__all__ = ["collector"]

pytestmark = pytest.mark.model

EVERY = {"speech_to_text", "endpointing", "invoke_agent", "chat", "text_to_speech", "response"}
SERVICES = {f"voicebus-{part}" for part in ("stt", "turn", "llm", "tts", "edge")}
VOICEBUS = Path(sys.executable).with_name("voicebus")
FIRST = SAMPLES / "austen-amiable.wav"
FILE = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-01"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[System]:
    """A system that is traced."""
    model_path("silero-vad")
    settings = {
        **SYNTHETIC,
        "TRACING_ENDPOINT": collector.endpoint,
        "TRACING_BATCH_S": "1",
        "LOG_FORMAT": "json",
    }
    with System(tmp_path_factory.mktemp("traced"), settings) as running:
        yield running


def traces(spans: list[Kept]) -> dict[str, list[Kept]]:
    """Spans by their trace."""
    found: defaultdict[str, list[Kept]] = defaultdict(list)
    for span in list(spans):
        found[span.trace_id].append(span)
    return found


def whole(spans: list[Kept]) -> list[Kept]:
    """The first trace that has everything; empty as long as there is none."""
    return next((t for t in traces(spans).values() if {s.name for s in t} >= EVERY), [])


@pytest.fixture(scope="module")
def turn(system: System, collector: Collector) -> list[Kept]:
    """The trace of one spoken turn."""

    async def speak() -> None:
        async with connected(system, {}) as client:
            words = read_wav(FIRST)[1]
            await client.speak(np.concatenate([words, PAUSE]), pace=1.0)
            await client.until("turn_ended")

    asyncio.run(speak())
    collector.wait(whole)
    return whole(collector.spans)


def test_a_spoken_turn_is_one_trace_through_all_processes(turn: list[Kept]) -> None:
    """Each stage has its span below the turn's own, in the order of their work."""
    by_name = {span.name: span for span in turn}
    (root,) = [span for span in turn if not span.parent_id]

    assert {span.service for span in turn} == SERVICES
    assert root.name == "invoke_agent"
    assert by_name["endpointing"].parent_id == by_name["speech_to_text"].span_id
    others = [span for span in turn if span.name not in {"endpointing", "invoke_agent"}]
    assert {span.parent_id for span in others} == {root.span_id}
    assert all(span.start_ns <= span.end_ns for span in turn)
    assert by_name["chat"].start_ns < by_name["response"].end_ns < root.end_ns
    assert root.start_ns <= by_name["endpointing"].start_ns < by_name["response"].end_ns


def test_spans_say_what_the_conventions_want_and_no_words(turn: list[Kept]) -> None:
    """The names are OpenTelemetry's where it has some; what was said stays in the log."""
    by_name = {span.name: span.attributes for span in turn}

    for name in ("invoke_agent", "chat", "speech_to_text", "text_to_speech"):
        assert by_name[name]["gen_ai.operation.name"] == name
    assert by_name["invoke_agent"]["gen_ai.agent.invocation.end_reason"] == "completed"
    assert by_name["chat"]["gen_ai.usage.output_tokens"] > 0
    assert by_name["response"]["voicebus.response_ms"] > 0
    sessions = {span.attributes.get("gen_ai.conversation.id") for span in turn}
    assert len(sessions - {None}) == 1
    values = [value for span in turn for value in span.attributes.values()]
    assert [value for value in values if isinstance(value, str) and " " in value] == []


def test_metrics_and_log_lines_lead_to_the_trace(system: System, turn: list[Kept]) -> None:
    """A slow bucket has an exemplar; a line of the log has the trace's id."""
    edge = httpx2.get(
        f"{system.root}/metrics",
        headers={"accept": "application/openmetrics-text; version=1.0.0"},
        trust_env=False,
    )

    named = {
        sample.exemplar.labels["trace_id"]
        for family in parser.text_string_to_metric_families(edge.text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert turn[0].trace_id in named
    ended = [line for line in system.processes["turn"].log.splitlines() if "turn.ended" in line]
    assert json.loads(ended[0])["trace_id"] == turn[0].trace_id


def test_the_log_tells_the_same_turn(system: System, turn: list[Kept]) -> None:
    """`voicebus trace` needs no collector; it names the trace for those who have one."""
    session = turn[0].attributes["gen_ai.conversation.id"]
    done = subprocess.run(
        [VOICEBUS, "trace", session, "1", "--json"],
        env=system.environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    (told,) = json.loads(done.stdout)
    assert told["trace_id"] == turn[0].trace_id
    assert [bar["name"] for bar in told["bars"]] == ["hold", "stt", "turn", "llm", "tts", "heard"]
    edge = next(span for span in turn if span.name == "response")
    # The edge hears the last word a moment before the log, and says the first one a moment after.
    assert told["response_ms"] == pytest.approx(edge.attributes["voicebus.response_ms"], abs=500)


def test_a_request_belongs_to_the_trace_of_its_caller(system: System, collector: Collector) -> None:
    """Who calls the API with a `traceparent` finds our spans below its own; rubbish is ignored."""
    for header in (CALLER, "00-zz", "ff" * 300):
        answer = httpx2.post(
            f"{system.root}/v1/chat/completions",
            json={"model": "synthetic", "messages": [{"role": "user", "content": "Hello."}]},
            headers={"traceparent": header},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text

    def ours(spans: list[Kept]) -> dict[str, Kept]:
        return {span.name: span for span in traces(spans)[CALLER.split("-")[1]]}

    collector.wait(lambda spans: len(ours(spans)) > 1)
    found = ours(collector.spans)
    assert found["request"].parent_id == CALLER.split("-")[2]
    assert found["chat"].parent_id == found["request"].span_id


def test_a_file_is_one_trace_however_many_work_on_it(system: System, collector: Collector) -> None:
    """The request is its root, and each passage a span of the recogniser."""
    file = ("speech.wav", FIRST.read_bytes(), "audio/wav")
    answer = httpx2.post(
        f"{system.root}/v1/audio/transcriptions",
        data={"model": "whisper-1"},
        files={"file": file},
        headers={"traceparent": FILE},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text

    def ours(spans: list[Kept]) -> dict[str, Kept]:
        return {span.name: span for span in traces(spans)[FILE.split("-")[1]]}

    collector.wait(lambda spans: len(ours(spans)) > 1)
    found = ours(collector.spans)
    assert found["request"].parent_id == FILE.split("-")[2]
    assert found["speech_to_text"].parent_id == found["request"].span_id
    assert found["speech_to_text"].service == "voicebus-stt"
    assert found["speech_to_text"].attributes["voicebus.passage"] == 1
    assert found["speech_to_text"].attributes["voicebus.audio_ms"] > 1_000


async def test_a_turn_of_a_realtime_client_is_a_trace_like_any_other(
    system: System, collector: Collector
) -> None:
    """From its first sample on, with the wait that its client had."""
    before, name = set(traces(collector.spans)), "voicebus_turn_response_seconds_count"
    async with realtime.connected(system, {}) as client:
        await client.speak(at_24_khz(np.concatenate([read_wav(FIRST)[1], PAUSE])))
        await client.until("response.done")

    def ours(spans: list[Kept]) -> list[Kept]:
        return whole([span for span in spans if span.trace_id not in before])

    await asyncio.to_thread(collector.wait, ours)
    found = {span.name: span for span in ours(collector.spans)}
    assert found["response"].attributes["voicebus.stage.hold_ms"] > 0
    assert found["response"].parent_id == found["invoke_agent"].span_id
    assert system.metric("edge", name, edge="openai-realtime") == 1


async def test_how_fast_a_realtime_client_falls_silent_is_measured(system: System) -> None:
    """Of one that interrupts what it hears, once; it may have got all of the answer before."""
    name, words = "voicebus_barge_in_stop_seconds_count", read_wav(FIRST)[1]
    async with realtime.connected(system, {}) as client:
        await client.speak(at_24_khz(np.concatenate([words, PAUSE])))
        await client.until("response.output_audio.delta")
        before = system.metric("edge", name, edge="openai-realtime")
        await client.speak(at_24_khz(words))
        await client.until("input_audio_buffer.speech_started")

    assert (before, system.metric("edge", name, edge="openai-realtime")) == (0, 1)


def at_24_khz(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """A recording at the rate of the Realtime API."""
    resampler = Resampler(16_000, realtime.RATE_HZ)
    return np.concatenate([resampler.push(samples), resampler.finish()])
