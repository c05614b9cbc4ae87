"""Where tracing is off, nothing of it is there."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from nats.aio.msg import Msg

from schemas.stt import TranscriptFinal
from subjects.catalog import Place, subject_of
from voicebus import settings
from voicebus.bus.client import connect
from voicebus.bus.layout import ensure_layout
from voicebus.errors import ConfigError
from voicebus.settings import BusSettings
from voicebus.tracing.context import HEADER, parse
from voicebus.tracing.settings import SCOPE, TracingSettings
from voicebus.tracing.spans import Span
from voicebus.tracing.tracing import OFF, Tracer, Tracing

FINAL = TranscriptFinal(utterance=1, text="x", start_ms=0, end_ms=1_000, end_offset=16_000)
PLACE = Place("local", "e", "s1")


async def heads(nats_server: str, tracer: Tracer) -> dict[str, str]:
    """What a message's head has on the wire."""
    chosen = BusSettings(nats_url=nats_server)
    bus = await connect(chosen, "test")
    await ensure_layout(bus, chosen.limits())
    bus.tracing = tracer
    came: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

    async def take(message: Msg) -> None:
        came.set_result(message)

    await bus._nats.subscribe(subject_of(TranscriptFinal, PLACE), cb=take)
    await bus.flush()
    await bus.publish(FINAL, PLACE)
    message = await asyncio.wait_for(came, 10)
    await bus.close()
    return dict(message.headers or {})


async def test_no_head_has_a_trace_unless_it_is_on(nats_server: str) -> None:
    """And where it is on, those who hear the message find the trace of the span in it."""
    spans: list[Span] = []

    assert HEADER not in await heads(nats_server, OFF)

    context = parse((await heads(nats_server, Tracing(spans.append)))[HEADER])
    assert context is not None
    assert [span.name for span in spans] == ["speech_to_text", "endpointing"]
    assert {span.trace_id for span in spans} == {context.trace_id}


async def test_a_trace_that_is_not_kept_is_passed_on_without_spans(nats_server: str) -> None:
    """So that all processes decide alike."""
    spans: list[Span] = []

    context = parse((await heads(nats_server, Tracing(spans.append, ratio=0.0)))[HEADER])

    assert context is not None
    assert not context.sampled
    assert spans == []


def test_opentelemetry_is_not_even_imported() -> None:
    """By no process, as long as nothing is to be traced."""
    parts = "services.stt.worker, services.turn.__main__, services.llm.worker, edge.app"
    code = f"import sys, voicebus.process, {parts}; print('opentelemetry' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "value", [{"ENDPOINT": "localhost:4318"}, {"RATIO": "1.5"}, {"BATCH_S": "0"}]
)
def test_a_wrong_setting_is_refused(value: dict[str, str]) -> None:
    """Naming the variable."""
    environ = {f"VOICEBUS_TRACING_{name}": text for name, text in value.items()}

    with pytest.raises(ConfigError, match="VOICEBUS_TRACING_"):
        settings.read(TracingSettings, environ, SCOPE)
