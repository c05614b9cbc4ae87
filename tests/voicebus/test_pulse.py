"""A thread that watches an event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from voicebus import pulse

BLOCKED = """
import asyncio, time
from voicebus import pulse
pulse.TICK_S = 0.05

async def main():
    with pulse.watched(asyncio.get_running_loop()):
        await asyncio.sleep(0.2)
        time.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks that a test can wait for."""
    monkeypatch.setattr(pulse, "TICK_S", 0.1)


async def test_a_loop_that_turns_is_left_alone() -> None:
    """However long it runs."""
    told: list[str] = []

    with pulse.watched(asyncio.get_running_loop(), told.append):
        await asyncio.sleep(0.1 * (pulse.BLOCKED_TICKS + 5))

    assert told == []


async def test_a_blocked_loop_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever holds it up: it is told from another thread, and once."""
    monkeypatch.setattr(pulse, "BLOCKED_TICKS", 3)
    told: list[str] = []
    noticed = threading.Event()

    def tell(reason: str) -> None:
        told.append(reason)
        noticed.set()

    with pulse.watched(asyncio.get_running_loop(), tell):
        await asyncio.sleep(0.2)
        assert noticed.wait(20)  # blocks the loop
        time.sleep(0.5)  # noqa: ASYNC251 - so does this

    assert len(told) == 1
    assert "event loop" in told[0]


async def test_nothing_is_watched_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread ends with the context."""
    monkeypatch.setattr(pulse, "BLOCKED_TICKS", 2)
    told: list[str] = []
    with pulse.watched(asyncio.get_running_loop(), told.append):
        pass

    time.sleep(0.6)  # noqa: ASYNC251 - a blocked loop, and nobody to mind

    assert told == []


def test_a_process_whose_loop_is_blocked_ends_and_says_where() -> None:
    """Its exit code is that of a failure, so whoever started it starts it anew."""
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert "event loop has not turned" in ended.stderr
    assert "line 9 in main" in ended.stderr


HANGS = """
import threading, time
from voicebus import pulse
pulse.end_within(0.2)
threading.Thread(target=time.sleep, args=(60,), name="engine").start()
"""


def test_a_process_that_does_not_end_by_itself_is_ended() -> None:
    """A call that does not return would be waited for; what was held is in other hands by then."""
    begun_s = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, check=False, timeout=50
    )

    assert ended.returncode == 0
    assert time.monotonic() - begun_s < 20
    assert "does not end by itself" in ended.stderr
