"""What was said to edges of late is known for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.event import Event
from schemas.llm import TokenDelta
from schemas.session import UserText
from voicebus.bus.recent import Recent


async def nowhere(*_: object) -> None:
    """Publish nothing."""


def clock() -> Callable[[], float]:
    """A clock that goes on by a second each time that somebody looks."""
    seconds = iter(map(float, range(1000)))
    return lambda: next(seconds)


def said_in(recent: Recent, count: int, size: int = 1, kind: type[Event] = TokenDelta) -> None:
    """Say something every second, to two edges in turn."""
    for number in range(count):
        recent.add(kind, f"e{number % 2}", f"subject.{number}", b"x" * size)


def seconds(recent: Recent, edge: str = "e1", since_s: float = 0.0) -> list[Any]:
    """When the messages were published that are known."""
    return [said.at_s for said in recent.since(edge, since_s)]


def test_each_edge_is_told_its_own() -> None:
    """In the order in which it was said, from a time on."""
    recent = Recent(nowhere, clock=clock())
    said_in(recent, 6)

    assert [said.subject for said in recent.since("e1", 3.0)] == ["subject.3", "subject.5"]
    assert seconds(recent, "e2") == []


def test_what_is_old_is_forgotten() -> None:
    """A connection that broke so long ago was given up."""
    recent = Recent(nowhere, age_s=3.0, clock=clock())
    said_in(recent, 10)

    assert seconds(recent, "e0") + seconds(recent) == [6.0, 8.0, 7.0, 9.0]


def test_it_takes_no_more_than_its_share_of_memory() -> None:
    """The oldest goes first."""
    recent = Recent(nowhere, limit_bytes=10_000, clock=clock())
    said_in(recent, 20, size=1000)

    assert len(recent) == 8
    assert seconds(recent) == [13.0, 15.0, 17.0, 19.0]


def test_only_what_is_for_edges_is_kept() -> None:
    """What an edge says itself is nothing to be told."""
    recent = Recent(nowhere)
    said_in(recent, 4, kind=UserText)

    assert len(recent) == 0
