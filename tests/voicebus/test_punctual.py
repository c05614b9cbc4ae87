"""A punctual thread goes first, and nothing that it starts does."""

from __future__ import annotations

import os
import threading

import pytest

from voicebus.punctual import punctual


def scheduler() -> int:
    """Of the calling thread."""
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


def allowed() -> bool:
    """Whether the kernel lets this process go before others."""
    with punctual() as is_so:
        return is_so


@pytest.mark.skipif(not allowed(), reason="the kernel allows no real-time priority here")
def test_only_the_thread_itself_goes_first() -> None:
    """While the context lasts, and no longer."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(scheduler()))
    with punctual():
        thread.start()
        thread.join()
        assert scheduler() == os.SCHED_RR

    assert found == [os.SCHED_OTHER]
    assert scheduler() == os.SCHED_OTHER


def test_without_permission_it_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is told."""

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    with punctual() as is_so:
        assert not is_so
        assert scheduler() == os.SCHED_OTHER
