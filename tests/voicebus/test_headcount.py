"""How many claims the workers of a role can hold."""

from __future__ import annotations

from schemas.claim import Presence
from voicebus.headcount import Headcount, Strength
from voicebus.sessions.room import GONE_S


def sign(worker: str, role: str = "stt", slots: int = 4, state: str = "ready") -> Presence:
    """A sign of life."""
    return Presence(role=role, worker=worker, slots=slots, busy=0, state=state)


def test_the_slots_of_ready_workers_are_added_up() -> None:
    """Of the role that is asked for, and of those that take claims."""
    count = Headcount()
    for presence in (sign("a"), sign("b", slots=2), sign("c", state="draining"), sign("a", "tts")):
        count.heard(presence, 0.0)

    assert count.strength("stt", 1.0) == Strength(2, 6)
    assert count.strength("tts", 1.0) == Strength(1, 4)
    assert count.strength("llm", 1.0) == Strength(0, 0)


def test_who_is_silent_for_long_is_gone() -> None:
    """As long as an edge believes in a worker, so does the signal."""
    count = Headcount()
    count.heard(sign("a"), 0.0)

    assert count.strength("stt", GONE_S) == Strength(1, 4)
    assert count.strength("stt", GONE_S + 0.1) == Strength(0, 0)


def test_silence_while_nobody_could_be_heard_does_not_count() -> None:
    """A bus that was away for a minute has killed nobody."""
    count = Headcount()
    count.heard(sign("a"), 0.0)
    count.deafened(60.0)

    assert count.strength("stt", 60.0 + GONE_S) == Strength(1, 4)


def test_one_supervisor_is_the_first() -> None:
    """Of those that live; who hears nobody, itself included, is the first, too."""
    count = Headcount()
    alone = count.is_first("s2", 0.0)
    count.heard(sign("s1", "supervisor", 0), 0.0)
    count.heard(sign("s2", "supervisor", 0), 15.0)

    assert alone
    assert [count.is_first(name, 15.0) for name in ("s1", "s2")] == [True, False]
    assert count.is_first("s2", GONE_S + 1)
