"""What is kept of past responses."""

from __future__ import annotations

from edge.openai.remembered import Remembered
from schemas.llm import Message

CHAT = (Message(role="user", content="x" * 100),)


def test_the_oldest_go_first() -> None:
    """The bound holds whatever comes."""
    kept = Remembered(1_000)

    for number in range(20):
        kept.keep("", CHAT, {"id": f"r{number}"})

    assert kept.find("r19", "") is not None
    assert kept.find("r0", "") is None


def test_who_keeps_the_most_loses_its_oldest() -> None:
    """A key that asks very often throws out its own responses, and nobody else's."""
    kept = Remembered(1_000)
    kept.keep("quiet", CHAT, {"id": "first"})

    for number in range(20):
        kept.keep("busy", CHAT, {"id": f"r{number}"})

    assert kept.find("first", "quiet") is not None
    assert kept.find("r19", "busy") is not None
    assert kept.find("r0", "busy") is None


def test_who_has_nothing_left_counts_for_nothing() -> None:
    """What was forgotten makes room, for others as well."""
    kept = Remembered(1_000)
    for number in range(4):
        kept.keep(f"owner{number}", CHAT, {"id": "r"})
        assert kept.forget("r", f"owner{number}")
    for number in range(4):
        kept.keep("late", CHAT, {"id": f"r{number}"})

    assert all(kept.find(f"r{number}", "late") for number in range(4))


def test_what_is_larger_than_all_is_not_kept() -> None:
    """Nor does it throw out the others."""
    kept = Remembered(1_000)
    kept.keep("", CHAT, {"id": "small"})

    kept.keep("", CHAT * 100, {"id": "large"})

    assert kept.find("large", "") is None
    assert kept.find("small", "") is not None


def test_only_its_owner_finds_or_forgets_a_response() -> None:
    """To others it is not there."""
    kept = Remembered(1_000)
    kept.keep("one", CHAT, {"id": "r"})

    assert kept.find("r", "two") is None
    assert not kept.forget("r", "two")
    assert kept.forget("r", "one")
    assert kept.find("r", "one") is None
