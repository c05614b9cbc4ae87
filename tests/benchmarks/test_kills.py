from __future__ import annotations

from collections import Counter

from benchmarks import failover
from benchmarks.kills import plan
from voicebus import parts


def test_every_kind_is_killed_as_often() -> None:
    """One after the other, in each phase, and by the seed."""
    planned = plan(("stt", "llm", "edge"), 30, 4, 0.0, seed=1)

    assert Counter(each.kind for each in planned) == {"stt": 10, "llm": 10, "edge": 10}
    assert {each.phase for each in planned if each.kind == "stt"} == {
        "utterance",
        "reply",
        "between",
    }
    assert {each.sign for each in planned} == {"kill"}
    assert {each.caller for each in planned} == {0, 1, 2, 3}
    assert all(0 <= each.part <= 1 for each in planned)
    assert planned == plan(("stt", "llm", "edge"), 30, 4, 0.0, seed=1)
    assert planned != plan(("stt", "llm", "edge"), 30, 4, 0.0, seed=2)


def test_only_workers_are_stopped() -> None:
    """A stopped edge or bus is a broken network, which is another test's."""
    planned = plan(("stt", "nats", "edge", "supervisor"), 40, 4, 1.0, seed=1)

    assert {each.kind for each in planned if each.sign == "stop"} == {"stt"}


def test_a_model_is_killed_while_it_answers() -> None:
    """Mostly: it has nothing to lose before."""
    planned = plan(("llm",), 20, 4, 0.0, seed=1)

    assert Counter(each.phase for each in planned) == {"reply": 16, "utterance": 4}


def test_whoever_is_killed_is_there() -> None:
    """The benchmarks kill processes of the system that they start."""
    assert set(failover.KINDS) - {"edge", "supervisor", "nats"} == set(parts.ROLES)
