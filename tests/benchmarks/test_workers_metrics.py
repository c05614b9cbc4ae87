from __future__ import annotations

from benchmarks.workers_metrics import counters, grown

PAGE = """\
# HELP voicebus_llm_tokens_total Pieces streamed
# TYPE voicebus_llm_tokens_total counter
voicebus_llm_tokens_total{engine="openai",model="a"} 40.0
voicebus_llm_tokens_total{engine="openai",model="b"} 2.0
# HELP voicebus_llm_wasted_tokens_total Thrown away
# TYPE voicebus_llm_wasted_tokens_total counter
voicebus_llm_wasted_tokens_total{reason="speculative"} 5.0
voicebus_llm_wasted_tokens_total{reason="interrupted"} 3.0
# HELP voicebus_worker_slots Claims
# TYPE voicebus_worker_slots gauge
voicebus_worker_slots{role="llm"} 2.0
"""


def test_the_counters_that_matter_are_read() -> None:
    """They are summed over engines and kept apart by reason."""
    assert counters(PAGE) == {
        "llm_tokens": 42.0,
        "llm_wasted_tokens:speculative": 5.0,
        "llm_wasted_tokens:interrupted": 3.0,
    }


def test_only_what_grew_belongs_to_a_dialogue() -> None:
    """A counter that appears began at nothing."""
    assert grown({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 5.0, "c": 4.0}) == {"b": 3.0, "c": 4.0}
