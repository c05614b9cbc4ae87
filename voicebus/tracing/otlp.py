"""Sends spans to a collector, by OpenTelemetry. Nothing else imports it.

It is imported where tracing is on, and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Thread
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from voicebus import metrics
from voicebus.tracing.spans import Span

MOST_WAITING: Final = 2048
"""Spans that are not sent yet; what comes meanwhile is lost, and counted."""

_SEND_S = 5.0
_LEAVE_S = 2.0
"""A process that ends waits no longer for a collector."""


class _Given(IdGenerator):
    """Gives the ids that a span has already: a root is known to its children before it is over."""

    trace_id = 0
    span_id = 0

    def generate_trace_id(self) -> int:
        """Return the id of the trace that begins."""
        return self.trace_id

    def generate_span_id(self) -> int:
        """Return the id of the span that begins."""
        return self.span_id


class _Counted(OTLPSpanExporter):
    """Counts what becomes of spans: a collector that is away is noticed by nobody else.

    Attributes:
        settled: How many were sent or lost so far.
    """

    settled = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send some, from the thread of the batches."""
        outcome = "lost"
        try:
            result = super().export(spans)
            if result is SpanExportResult.SUCCESS:
                outcome = "sent"
            return result
        finally:
            metrics.TRACE_SPANS.labels(outcome).inc(len(spans))
            self.settled += len(spans)


class Collector:
    """A collector, to which spans are sent from a thread of its own.

    Args:
        endpoint: Its address, the path included.
        service: Name of this part of the system.
        instance: Name of this process.
        version: Of voicebus.
        batch_s: How long spans are gathered before they are sent.
    """

    def __init__(
        self, endpoint: str, service: str, instance: str, version: str, batch_s: float
    ) -> None:
        self._ids = _Given()
        resource = Resource.create(
            {
                "service.namespace": "voicebus",
                "service.name": service,
                "service.instance.id": instance,
                "service.version": version,
            }
        )
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=resource,
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        # Each try and each batch is a warning otherwise, as long as a collector is away.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        self._exporter = _Counted(endpoint, timeout=_SEND_S)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=batch_s * 1000
            )
        )
        self._taken = 0
        for outcome in ("sent", "lost"):
            metrics.TRACE_SPANS.labels(outcome)
        self._tracer = self._provider.get_tracer("voicebus", version)

    def export(self, span: Span) -> None:
        """Take a span; it is sent later, or lost where too many wait."""
        # The processor would drop the oldest one, and tell nobody.
        if self._taken - self._exporter.settled >= MOST_WAITING:
            metrics.TRACE_SPANS.labels("lost").inc()
            return
        self._taken += 1
        self._ids.trace_id, self._ids.span_id = int(span.trace_id, 16), int(span.span_id, 16)
        parent = None
        if span.parent_id:
            root = SpanContext(
                trace_id=self._ids.trace_id,
                span_id=int(span.parent_id, 16),
                is_remote=True,
                trace_flags=TraceFlags(TraceFlags.SAMPLED),
            )
            parent = set_span_in_context(NonRecordingSpan(root))
        made = self._tracer.start_span(
            span.name,
            context=parent,
            kind=SpanKind.CONSUMER if span.consumes else SpanKind.INTERNAL,
            attributes=span.attributes,
            start_time=span.start_ns,
        )
        if span.error:
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(span.end_ns)

    def close(self) -> None:
        """Send what is left, if the collector takes it within two seconds."""
        flushing = Thread(target=self._provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(_LEAVE_S)
        # Not the provider's, which waits for the last try of all.
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
