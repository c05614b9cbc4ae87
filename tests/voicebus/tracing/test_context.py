from __future__ import annotations

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from voicebus.tracing.context import TraceContext, apart, begin, current, enter, exemplar, parse

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def test_a_header_is_read_as_it_is_written() -> None:
    """By W3C's recommendation."""
    context = TraceContext(TRACE, SPAN)

    assert context.header() == f"00-{TRACE}-{SPAN}-01"
    assert parse(context.header()) == context
    assert parse(TraceContext(TRACE, SPAN, sampled=False).header()) == TraceContext(
        TRACE, SPAN, sampled=False
    )


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", True),
    ],
)
def test_flags_and_versions_to_come_are_taken(header: str, sampled: bool) -> None:
    """Of the flags, the last bit counts; a later version may say more behind them."""
    assert parse(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}",
        f"00-{'٣' * 32}-{SPAN}-01",
    ],
)
def test_what_is_no_header_is_none(header: str) -> None:
    """Whoever wrote it: nothing is guessed."""
    assert parse(header) is None


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{30,33}-[0-9a-f]{15,17}-.*"))
def test_anything_may_come(header: str) -> None:
    """It is a context that is written the same way again, or none; never an error."""
    context = parse(header)

    assert context is None or parse(context.header()) == context


def test_so_many_are_kept_as_is_wanted() -> None:
    """All, none, or about a part."""
    assert all(begin(1.0).sampled for _ in range(100))
    assert not any(begin(0.0).sampled for _ in range(100))
    assert 100 < sum(begin(0.5).sampled for _ in range(1000)) < 900


def test_a_task_names_its_trace() -> None:
    """In its log lines and measurements, and not that of which nothing is kept."""
    token = current.set(None)
    enter(TraceContext(TRACE, SPAN, sampled=False))
    assert exemplar() is None
    enter(None)
    assert exemplar() is None

    enter(TraceContext(TRACE, SPAN))

    assert exemplar() == {"trace_id": TRACE}
    assert structlog.contextvars.get_contextvars()["trace_id"] == TRACE
    structlog.contextvars.unbind_contextvars("trace_id")
    current.reset(token)


def named() -> tuple[dict[str, str] | None, str]:
    """Which trace measurements and lines of this task name."""
    return exemplar(), structlog.contextvars.get_contextvars().get("trace_id", "")


def test_what_is_of_no_trace_names_none() -> None:
    """Also where something else was done before: its trace would mislead."""
    for of_none in (None, TraceContext(TRACE, SPAN, sampled=False)):
        enter(TraceContext(TRACE, SPAN))
        enter(of_none)

        assert named() == (None, "")


@pytest.mark.parametrize("before", ["", TRACE])
def test_behind_what_is_done_apart_the_trace_is_that_of_before(before: str) -> None:
    """Whatever is entered within."""
    other = "1" * 32
    enter(TraceContext(before, SPAN) if before else None)
    with apart():
        enter(TraceContext(other, SPAN))
        assert named() == ({"trace_id": other}, other)

    assert named() == ({"trace_id": before} if before else None, before)
    enter(None)
