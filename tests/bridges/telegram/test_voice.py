"""Voice messages, made in threads."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from bridges.telegram import voice
from bridges.telegram.voice import Spoken
from voicebus.audio.encode import Encoder, encoder

WORK_S = 0.3
"""Longer than it takes to cancel a task."""


class Slow:
    """An encoder that takes its time, and notes what is done with it and how often at once."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner
        self._inside = threading.Semaphore(1)
        self.begun = threading.Event()
        self.done: list[str] = []

    def push(self, pcm: bytes) -> bytes:
        """Take samples."""
        assert self._inside.acquire(blocking=False)
        self.begun.set()
        time.sleep(WORK_S)
        made = self._inner.push(pcm)
        self.done.append("push")
        self._inside.release()
        return made

    def finish(self) -> bytes:
        """Return the rest."""
        return self._inner.finish()

    def close(self) -> None:
        """Give the memory back."""
        self.done.append("close" if self._inside.acquire(blocking=False) else "close beside")
        self._inner.close()


async def test_an_answer_that_is_let_go_of_is_closed_behind_its_last_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The task is cancelled, its thread is not: FFmpeg's container takes one at a time."""
    slow = Slow(encoder("opus", 24_000))
    monkeypatch.setattr(voice, "encoder", lambda *_: slow)
    spoken = Spoken()
    pushing = asyncio.ensure_future(spoken.push(bytes(9_600)))
    await asyncio.to_thread(slow.begun.wait)
    pushing.cancel()
    await asyncio.wait((pushing,))

    await spoken.close()

    assert pushing.cancelled()
    assert slow.done == ["push", "close"]
