"""Spans reach a collector as they are, and one that is away holds nobody up."""

from __future__ import annotations

import socket
import time

from tests.collector import Collector as Real
from voicebus import metrics
from voicebus.tracing.otlp import MOST_WAITING, Collector
from voicebus.tracing.spans import Span

TRACE, ROOT, CHILD = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"


def span(span_id: str, parent_id: str = "") -> Span:
    """A span of two seconds."""
    return Span(
        name="chat",
        trace_id=TRACE,
        span_id=span_id,
        parent_id=parent_id,
        start_ns=1_700_000_000_000_000_001,
        end_ns=1_700_000_002_000_000_001,
        attributes={"voicebus.turn": 3},
    )


def lost() -> float:
    """How many spans were lost."""
    return float(metrics.TRACE_SPANS.labels("lost")._value.get())


def test_spans_arrive_with_the_ids_and_times_that_they_were_given() -> None:
    """A root keeps the id that its children have known for long."""
    with Real() as real:
        collector = Collector(real.endpoint, "voicebus-llm", "llm-1", "0.1.0", 1.0)
        collector.export(span(CHILD, ROOT))
        collector.export(span(ROOT))
        collector.close()

        kept = {one.span_id: one for one in real.spans}

    assert set(kept) == {ROOT, CHILD}
    assert {one.trace_id for one in kept.values()} == {TRACE}
    assert (kept[CHILD].parent_id, kept[ROOT].parent_id) == (ROOT, "")
    assert kept[ROOT].end_ns - kept[ROOT].start_ns == 2_000_000_000
    assert kept[ROOT].start_ns % 1_000 == 1
    assert kept[CHILD].attributes["voicebus.turn"] == 3
    assert kept[CHILD].service == "voicebus-llm"


def test_spans_are_gathered_before_they_are_sent() -> None:
    """Each request takes as much of the processor as many spans do."""
    with Real() as real:
        collector = Collector(real.endpoint, "voicebus-llm", "llm-1", "0.1.0", 1.0)
        for _ in range(5):
            collector.export(span(CHILD, ROOT))
            time.sleep(0.05)
        early = real.requests
        real.wait(lambda spans: len(spans) == 5)
        requests = real.requests
        collector.close()

    assert (early, requests) == (0, 1)


def test_a_process_ends_without_its_collector() -> None:
    """What could not be sent is counted."""
    before = lost()
    collector = Collector("http://127.0.0.1:9/v1/traces", "voicebus-llm", "llm-1", "0.1.0", 1.0)
    collector.export(span(ROOT))
    begun_s = time.monotonic()

    collector.close()

    assert time.monotonic() - begun_s < 10
    while lost() == before and time.monotonic() - begun_s < 30:
        time.sleep(0.05)
    assert lost() == before + 1


def test_spans_that_come_faster_than_they_are_taken_are_counted() -> None:
    """A collector that is too slow costs spans as one that is away does, and is seen as well."""
    before, further = lost(), 10
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        collector = Collector(endpoint, "voicebus-llm", "llm-1", "0.1.0", 1.0)
        for _ in range(MOST_WAITING + further):
            collector.export(span(CHILD, ROOT))
        uncounted = further - (lost() - before)
        collector.close()

    assert uncounted <= 0
