from __future__ import annotations

import os

from benchmarks.doubled import worker_name
from benchmarks.systems import ending
from voicebus.settings import ProcessSettings


def test_who_serves_others_ends_after_them() -> None:
    """Several of a kind have numbers."""
    names = ["nats", "tts-1", "supervisor-0", "stt-1", "stt-0", "edge", "llama"]

    assert ending(names) == ["edge", "stt-0", "stt-1", "tts-1", "supervisor-0", "llama", "nats"]


def test_a_worker_is_known_by_its_process() -> None:
    """Its name on the bus is that which it gives itself."""
    assert worker_name(os.getpid()) == ProcessSettings().name()
