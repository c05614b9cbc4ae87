"""An OpenTelemetry collector: takes spans over OTLP/HTTP, as real ones do, and keeps them."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Kept(Struct, frozen=True):
    """A span.

    Fields
        service: Which part of the system sent it.
        name: What took its time.
        trace_id: Its trace, in hexadecimal digits.
        span_id: It.
        parent_id: Of what it is a part; empty for a root.
        start_ns: When it began.
        end_ns: When it ended.
        attributes: What else it says.
    """

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]


class Collector:
    """Listens while the context lasts.

    Attributes:
        spans: What came, in the order in which it came.
        requests: How many it came in.
    """

    def __init__(self) -> None:
        self.spans: list[Kept] = []
        self.requests = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            """Takes one export."""

            def do_POST(self) -> None:
                """Keep what is sent."""
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.requests += 1
                collector.spans += _spans(ExportTraceServiceRequest.FromString(body))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """Its address, as the setting wants it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def wait(self, is_complete: Callable[[list[Kept]], object], within_s: float = 30.0) -> None:
        """Wait until what came is complete, or the time is over."""
        until_s = time.monotonic() + within_s
        while not is_complete(self.spans) and time.monotonic() < until_s:
            time.sleep(0.05)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where the spans of a file of tests go."""
    with Collector() as running:
        yield running


def _spans(request: ExportTraceServiceRequest) -> list[Kept]:
    return [
        Kept(
            service=_attributes(of_process.resource)["service.name"],
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            attributes=_attributes(span),
        )
        for of_process in request.resource_spans
        for of_scope in of_process.scope_spans
        for span in of_scope.spans
    ]


def _attributes(holder: Any) -> dict[str, Any]:
    return {
        entry.key: getattr(entry.value, entry.value.WhichOneof("value"))
        for entry in holder.attributes
    }
