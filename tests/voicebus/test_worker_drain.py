"""Drains of workers whose work does not let go: they end in time, and others have the work."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas.stt import TranscribeRequest
from subjects.catalog import Place
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, new_place, until, worker_in
from voicebus import letting_go, pulse
from voicebus.bus.client import Bus
from voicebus.claim import Claim
from voicebus.role import Role
from voicebus.settings import ProcessSettings
from voicebus.tenure import Tenure
from voicebus.worker import Worker

PROMISED_S = 10.0
SLACK_S = 0.5


class Stubborn(Work):
    """Work that takes no cancellation until it is let go."""

    async def __call__(self, claim: Claim) -> None:
        """Hold the claim, whatever it is told."""
        self.claims.append(claim)
        self.held += 1
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                continue
        self.held -= 1


class Ended:
    """Takes note of a process that would have ended, and lets go what hangs in it.

    Args:
        hanging: What keeps the process.
    """

    def __init__(self, hanging: asyncio.Event) -> None:
        self.code: int | None = None
        self._hanging = hanging

    def __call__(self, reason: str, code: int) -> None:
        """End."""
        self.code = code
        self._hanging.set()


def hearing(worker: str) -> Role:
    """A worker that holds sessions."""
    return Role(name="stt", slots=8, engine="toy", worker=worker)


async def open_session(bus: Bus, place: Place) -> None:
    """Publish a job that lasts as long as the session."""
    await bus.store(TranscribeRequest(), place, job="session")


def test_the_default_settings_keep_the_promise() -> None:
    """Short work, what does not let go, and the end of the process take ten seconds at most."""
    letting_go_s = 2 * letting_go.LET_GO_S
    drain_s = ProcessSettings().drain_s

    assert drain_s + letting_go_s + pulse.CLOSING_S < PROMISED_S
    assert drain_s + pulse.SERVER_CLOSING_S < PROMISED_S


async def test_a_session_that_does_not_let_go_is_handed_on(nats_server: str) -> None:
    """Its caller is served by another worker; the time for short work is not waited for."""
    place, one, other = new_place(), Stubborn(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, hearing("a"), one, drain_s=30) as leaving,
    ):
        await open_session(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, hearing("b"), other):
            drained_s = await leaving.stop()
            await until(other.holds(1), limit_s=2)
            one.go.set()
            other.go.set()

    assert drained_s < 2 * letting_go.LET_GO_S + SLACK_S
    assert other.claims[0].attempt == 2


async def test_short_work_that_does_not_let_go_is_waited_for_once(nats_server: str) -> None:
    """It has its time to end, then a moment to let go, and no second time to end."""
    place, one, other = new_place(), Stubborn(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a"), one, drain_s=4) as leaving,
    ):
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, role("b"), other):
            drained_s = await leaving.stop()
            await until(other.holds(1), limit_s=2)
            one.go.set()
            other.go.set()

    assert 4 <= drained_s < 4 + 2 * letting_go.LET_GO_S + SLACK_S


async def test_what_cannot_be_handed_on_is_given_away_and_the_process_ends(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody starts it anew: it was asked to go. Another worker has the job at once."""
    hanging = asyncio.Event()

    async def never(*_: object) -> None:
        while not hanging.is_set():
            try:
                await hanging.wait()
            except asyncio.CancelledError:
                continue

    monkeypatch.setattr(Tenure, "hand_on", never)
    place, one, other = new_place(), Work(), Work()
    ended, stop = Ended(hanging), asyncio.Event()
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus_in(nats_server, place.cell, "a") as own,
    ):
        running = asyncio.create_task(Worker(own, hearing("a"), one, ended).run(stop, 5.0))
        await open_session(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, hearing("b"), other):
            begun_s = time.monotonic()
            stop.set()
            await asyncio.wait((running,), timeout=20)
            took_s = time.monotonic() - begun_s
            await until(other.holds(1), limit_s=2)
            other.go.set()

    assert ended.code == 0
    assert took_s < 2 * letting_go.LET_GO_S + SLACK_S
    assert other.claims[0].attempt == 2
