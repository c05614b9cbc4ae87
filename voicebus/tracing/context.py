"""Which trace something belongs to: the W3C trace context. Pure, but for what is drawn by chance.

Source: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import structlog
from msgspec import Struct

HEADER: Final = "traceparent"

_FORM: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_LONGEST: Final = 512
_SAMPLED: Final = 1


class TraceContext(Struct, frozen=True):
    """A trace, and the span in it that others are children of.

    Fields
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them.
        sampled: Whether its spans are kept.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    def header(self) -> str:
        """Return the value of ``traceparent``."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    def exemplar(self) -> dict[str, str] | None:
        """Return what goes with a measurement, so that one of its turns can be looked at."""
        return {"trace_id": self.trace_id} if self.sampled else None


current: Final[ContextVar[TraceContext | None]] = ContextVar("voicebus_trace", default=None)
"""The trace of what this task works on."""


def begin(ratio: float) -> TraceContext:
    """Begin a trace, of which so many of one are kept."""
    sampled = ratio >= 1 or random.random() < ratio
    return TraceContext(secrets.token_hex(16), new_span_id(), sampled)


def new_span_id() -> str:
    """Return an id for a span."""
    return secrets.token_hex(8)


def parse(header: str) -> TraceContext | None:
    """Read a ``traceparent``, whoever wrote it; None when it is none."""
    found = _FORM.fullmatch(header) if len(header) <= _LONGEST else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    if not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    sampled = bool(int(found["flags"], 16) & _SAMPLED)
    return TraceContext(found["trace"], found["span"], sampled)


def enter(context: TraceContext | None) -> None:
    """Have this task's log lines and measurements name a trace from here on.

    Where none is kept they name none: that of what was done before would mislead.
    """
    if context is not None and context.sampled:
        current.set(context)
        structlog.contextvars.bind_contextvars(trace_id=context.trace_id)
    elif current.get() is not None:
        current.set(None)
        structlog.contextvars.unbind_contextvars("trace_id")


@contextmanager
def apart() -> Iterator[None]:
    """Whatever trace is entered within, this task names behind it the one that it named before."""
    before = current.get()
    try:
        yield
    finally:
        enter(before)


def exemplar() -> dict[str, str] | None:
    """Return what goes with a measurement of this task; None where nothing is traced."""
    context = current.get()
    return None if context is None else context.exemplar()
