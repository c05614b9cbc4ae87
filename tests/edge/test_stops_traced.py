"""From the wait of one who interrupts to the trace of the turn that was stopped."""

from __future__ import annotations

from prometheus_client import REGISTRY

from edge.downlink import Downlink
from edge.timeline import AudioClock
from edge.wire import Medium
from schemas.event import Event
from schemas.stt import SpeechStarted
from schemas.turn import ReplyPaused, TurnStarted
from tests.edge.views import chunk

KIND = "stops-traced"


def leads() -> list[str]:
    """The traces to which the waits for silence lead, by their buckets."""
    return [
        sample.exemplar.labels["trace_id"]
        for family in REGISTRY.collect()
        if family.name == "voicebus_barge_in_stop_seconds"
        for sample in family.samples
        if sample.exemplar is not None and sample.labels["edge"] == KIND
    ]


def test_the_wait_for_silence_leads_to_the_turn_that_was_stopped() -> None:
    """A reply of which nothing was heard yet has none: it is not that of the turn before."""
    clock = AudioClock()
    clock.note(16_000, 50.0)
    view = Downlink(clock, Medium.SPEECH, KIND, lambda started, _: {"trace_id": f"t{started.turn}"})

    def take(event: Event, at_s: float) -> None:
        view.take(event, at_s)

    take(TurnStarted(turn=1, text="x"), 49.0)
    take(chunk(1, 0), 49.1)
    take(SpeechStarted(start_ms=900), 50.1)
    take(ReplyPaused(turn=1), 50.3)
    assert leads() == ["t1"]

    take(TurnStarted(turn=2, text="y"), 51.0)
    take(SpeechStarted(start_ms=900), 52.0)
    take(ReplyPaused(turn=2), 58.0)
    assert leads() == ["t1"]
