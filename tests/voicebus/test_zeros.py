"""Counters that exist before anything is counted."""

from __future__ import annotations

from prometheus_client import REGISTRY

from voicebus import zeros


def test_a_workers_counters_begin_at_zero() -> None:
    """The first dead letter is an increase, and not the birth of a counter."""
    zeros.worker("toy")

    for name, labels in (
        ("voicebus_dead_letters_total", {"role": "toy"}),
        ("voicebus_takeovers_total", {"role": "toy", "outcome": "cut"}),
        ("voicebus_claims_total", {"role": "toy", "outcome": "poisoned"}),
    ):
        assert REGISTRY.get_sample_value(name, labels) == 0


def test_turns_are_counted_where_they_are_led() -> None:
    """No other worker shows turns that it does not lead; the counted ones are left as they are."""
    zeros.worker("turn")

    assert REGISTRY.get_sample_value("voicebus_turns_total", {"outcome": "failed"}) is not None


def test_refused_callers_and_lost_workers_begin_at_zero() -> None:
    """The same for an edge and for the supervisor."""
    zeros.edge("toy")
    zeros.supervisor()

    refused = {"edge": "toy", "code": "busy"}
    lost = {"role": "stt", "reason": "silent"}
    assert REGISTRY.get_sample_value("voicebus_client_errors_total", refused) == 0
    assert REGISTRY.get_sample_value("voicebus_handovers_total", lost) is not None
