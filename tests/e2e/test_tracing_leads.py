"""From what an operator sees first, a number or a line of the log, to the trace of that turn."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from prometheus_client.openmetrics import parser

from tests.collector import Collector, collector
from tests.e2e.client import PAUSE, Client, Listener, connected
from tests.models import model_path
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.wav import read_wav

__all__ = ["collector"]

pytestmark = pytest.mark.model

WORDS = read_wav(SAMPLES / "austen-amiable.wav")[1]
SETTINGS = {
    **SYNTHETIC,
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "debug",
    "LLM_SYNTHETIC_FAULT": "fail",
    "LLM_SYNTHETIC_FAULT_TEXT": "poison",
    "TTS_SYNTHETIC_FAULT": "fail",
    "TTS_SYNTHETIC_FAULT_TEXT": "mute",
    "LLM_SYNTHETIC_REPLY": "Well, the sea is wide and deep, and many have sailed it for years.",
}
WAITS = (
    ("stt", "voicebus_stt_final_seconds"),
    ("stt", "voicebus_stt_hold_seconds"),
    ("llm", "voicebus_claim_wait_seconds"),
    ("llm", "voicebus_llm_ttft_seconds"),
    ("llm", "voicebus_llm_seconds"),
    ("tts", "voicebus_claim_wait_seconds"),
    ("tts", "voicebus_tts_ttfa_seconds"),
    ("tts", "voicebus_tts_clause_seconds"),
    ("edge", "voicebus_turn_response_seconds"),
    ("edge", "voicebus_stage_seconds"),
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
SOON_S = 5.0
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[System]:
    """A system that is traced, and whose engines fail when they are told to."""
    model_path("silero-vad")
    settings = {**SETTINGS, "TRACING_ENDPOINT": collector.endpoint, "TRACING_BATCH_S": "1"}
    with System(tmp_path_factory.mktemp("leads"), settings) as running:
        yield running


def trace_of(collector: Collector, session: str, turn: int) -> str:
    """Wait for the trace of a turn and return its id."""

    def found(spans: list[Any]) -> set[str]:
        return {
            span.trace_id
            for span in list(spans)
            if span.attributes.get("gen_ai.conversation.id") == session
            and span.attributes.get("voicebus.turn") == turn
        }

    collector.wait(found)
    (trace_id,) = found(collector.spans)
    return trace_id


def leads(system: System, process: str, histogram: str) -> set[str]:
    """The traces to which the buckets of a histogram lead."""
    url = f"{system.processes[process].url}/metrics"
    page = httpx2.get(url, headers={"accept": OPENMETRICS}, **PLAIN).text
    return {
        sample.exemplar.labels["trace_id"]
        for family in parser.text_string_to_metric_families(page)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if family.name == histogram and sample.exemplar is not None
    }


def leads_to(system: System, process: str, histogram: str, trace_id: str) -> bool:
    """Whether a histogram leads to a trace, at the latest soon after the client has its answer."""
    deadline_s = time.monotonic() + SOON_S
    while trace_id not in leads(system, process, histogram):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


def lines(system: System, process: str, event: str) -> list[dict[str, Any]]:
    """What a process has written of an event."""
    log = system.processes[process].log.splitlines()
    told = [json.loads(line) for line in log if line.startswith("{")]
    return [line for line in told if line["event"] == event]


def session_of(client: Client) -> str:
    """The name of a client's session."""
    return str(client.messages("metadata")[0]["session_id"])


@pytest.fixture(scope="module")
def answered(system: System, collector: Collector) -> dict[tuple[str, str], bool]:
    """Which numbers lead to the trace of a spoken turn: a bucket knows its last turn only."""

    async def speak() -> str:
        async with connected(system, {}) as client:
            await client.speak(np.concatenate([WORDS, PAUSE]), pace=1.0)
            await client.until("turn_ended", turn=1)
            return session_of(client)

    async def found() -> dict[tuple[str, str], bool]:
        trace_id = await asyncio.to_thread(trace_of, collector, await speak(), 1)
        return {(one, name): trace_id in leads(system, one, name) for one, name in WAITS}

    return asyncio.run(found())


@pytest.fixture(scope="module")
def interrupted(system: System, collector: Collector) -> str:
    """The trace of a spoken turn whose answer is interrupted."""

    async def speak() -> str:
        async with connected(system, {}) as client:
            client.listener = Listener.SILENT
            await client.speak(np.concatenate([WORDS, PAUSE]), pace=1.0)
            await client.until("latency", turn=1)
            await client.speak(WORDS, pace=1.0)
            await client.until("pause", turn=1)
            return session_of(client)

    return trace_of(collector, asyncio.run(speak()), 1)


@pytest.mark.parametrize(("process", "histogram"), WAITS)
def test_what_a_caller_waits_for_leads_to_the_trace_of_the_turn(
    answered: dict[tuple[str, str], bool], process: str, histogram: str
) -> None:
    """At each stage, and at the edge."""
    assert answered[process, histogram]


def test_the_wait_for_silence_leads_to_the_turn_that_was_stopped(
    system: System, interrupted: str
) -> None:
    """Not to the one that begins with the interruption."""
    assert leads(system, "edge", "voicebus_barge_in_stop_seconds") == {interrupted}


def asked(system: System, text: str) -> httpx2.Response:
    """Ask the API something, as one who has a trace already."""
    return httpx2.post(
        f"{system.root}/v1/chat/completions",
        json={"model": "synthetic", "messages": [{"role": "user", "content": text}]},
        headers={"traceparent": CALLER},
        **PLAIN,
    )


def test_the_first_byte_of_an_answer_leads_to_the_trace_of_its_request(system: System) -> None:
    """Also that of a refusal: who waited for it waited for nothing."""
    answer = asked(system, "Hello.")

    assert answer.status_code == 200
    assert leads_to(system, "edge", "voicebus_api_first_byte_seconds", CALLER.split("-")[1])


def test_a_line_about_a_request_that_failed_names_its_trace(system: System) -> None:
    """At the edge that answers it, and at the worker that failed."""
    answer = asked(system, "poison")

    assert answer.status_code >= 500
    refused = lines(system, "edge", "client.refused")[-1]
    assert refused["trace_id"] == CALLER.split("-")[1]
    assert lines(system, "llm", "stage.failed")[-1]["trace_id"] == CALLER.split("-")[1]


def test_a_line_of_the_ears_names_the_trace_of_what_was_said(
    system: System, interrupted: str
) -> None:
    """And each line that of its own utterance."""
    ended = lines(system, "stt", "utterance.ended")

    assert interrupted in [line["trace_id"] for line in ended]
    assert len({line["trace_id"] for line in ended}) == len(ended)


def test_a_line_about_a_voice_that_failed_names_its_trace(system: System) -> None:
    """As that of any other worker."""
    answer = httpx2.post(
        f"{system.root}/v1/audio/speech",
        json={"model": "tts-1", "voice": "alloy", "input": "mute"},
        headers={"traceparent": CALLER},
        **PLAIN,
    )

    assert answer.status_code >= 500, answer.text
    assert lines(system, "tts", "stage.failed")[-1]["trace_id"] == CALLER.split("-")[1]


async def test_a_line_about_a_turn_that_failed_names_its_trace(
    system: System, collector: Collector
) -> None:
    """At the worker that failed, and at the edge; and not that of the turn before."""
    async with connected(system, {}) as client:
        for turn, text in enumerate(("hello", "poison"), start=1):
            await client.send("text", text=text)
            await client.until("turn_ended", turn=turn)
        session = session_of(client)

    trace_id = await asyncio.to_thread(trace_of, collector, session, 2)
    for process, event in (("llm", "stage.failed"), ("edge", "session.told_of_failure")):
        told = [line for line in lines(system, process, event) if line["session"] == session]
        assert [line["trace_id"] for line in told] == [trace_id]
