"""The thread of a library that blocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from voicebus import engine_thread
from voicebus.engine_thread import EngineThread, Hang


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineThread]:
    """A thread whose calls last 0.2 s at most."""
    monkeypatch.setattr(engine_thread, "STUCK_S", 0.2)
    made = EngineThread("inference")
    yield made
    made.shutdown()


def test_a_call_gives_what_it_returns_or_raises(thread: EngineThread) -> None:
    """It is an executor like any other."""
    assert thread.submit(divmod, 7, 2).result(5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        thread.submit(divmod, 7, 0).result(5)


def test_a_call_that_lasts_too_long_is_named(thread: EngineThread) -> None:
    """While it lasts, and not before it has lasted so long."""
    go = threading.Event()
    running = thread.submit(go.wait, 20)
    early = thread.stuck(0.0)
    time.sleep(0.4)
    late = thread.stuck(0.0)
    go.set()
    running.result(5)

    assert (early, late, thread.stuck(0.0)) == (None, Hang("inference"), None)


def test_it_is_known_for_whom_a_call_hangs(thread: EngineThread) -> None:
    """Others who wait for the thread have nothing to do with it; where nobody knows, all have."""
    go = threading.Event()
    running = [thread.submit_for(("a", "b"), go.wait, 20), thread.submit_for("c", go.wait, 20)]
    time.sleep(0.4)
    hang = thread.stuck(0.0)
    go.set()
    for call in running:
        call.result(5)

    assert hang is not None
    assert [hang.is_due_to(owner) for owner in "abc"] == [True, True, False]
    assert Hang("inference").is_due_to("c")


def test_many_short_calls_are_no_long_one(thread: EngineThread) -> None:
    """A busy thread makes progress."""
    found = set()
    for _ in range(8):
        running = thread.submit(time.sleep, 0.05)
        found.add(thread.stuck(0.0))
        running.result(5)

    assert found == {None}


def test_time_in_which_the_process_was_stopped_does_not_count(thread: EngineThread) -> None:
    """Nobody makes progress while nobody runs."""
    go = threading.Event()
    running = thread.submit(go.wait, 20)
    time.sleep(0.4)
    found = thread.stuck(time.monotonic())
    go.set()
    running.result(5)

    assert found is None
