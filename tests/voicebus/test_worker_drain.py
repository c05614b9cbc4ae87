"""Drains of workers whose work does not let go: they end in time, and others have the work."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from schemas.claim import Claimed, ClaimLeft
from schemas.codec import decode
from schemas.stt import TranscribeRequest
from subjects.catalog import Place, subject_of
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, new_place, until, worker_in
from voicebus import letting_go, pulse
from voicebus.bus.client import Bus
from voicebus.bus.delivery import NAK
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


def hand_on_never(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let no job be handed on until the event is set."""
    hanging = asyncio.Event()

    async def never(*_: object) -> None:
        while not hanging.is_set():
            try:
                await hanging.wait()
            except asyncio.CancelledError:
                continue

    monkeypatch.setattr(Tenure, "hand_on", never)
    return hanging


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
    hanging = hand_on_never(monkeypatch)
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


async def test_what_others_have_already_is_not_given_away(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To settle a job that is in other hands would take it from them."""
    hanging = hand_on_never(monkeypatch)
    place, one, other = new_place(), Stubborn(), Work()
    only = msgspec.structs.replace(hearing("a"), slots=1)  # or the job came back to it
    ended, stop = Ended(hanging), asyncio.Event()
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus_in(nats_server, place.cell, "a") as own,
    ):
        running = asyncio.create_task(Worker(own, only, one, ended).run(stop, 5.0))
        await open_session(bus, place)
        await until(one.holds(1))
        subject = subject_of(Claimed, place, "stt", "session")
        claimed = await anext(decode(each.payload) async for each in bus.read("SESSION", subject))
        assert isinstance(claimed, Claimed)
        async with worker_in(nats_server, place.cell, hearing("b"), other):
            await bus.publish_raw(claimed.ack, NAK)
            await until(other.holds(1))
            await until(one.claims[0].lost.done)
            stop.set()
            await asyncio.wait((running,), timeout=20)
            await asyncio.sleep(0.5)
            one.go.set()
            other.go.set()

    assert ended.code == 0
    assert len(other.claims) == 1


async def test_a_slow_bus_does_not_make_a_drain_a_death(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says that the worker went, though work was told twice to let go meanwhile."""
    check = Claim.check

    async def slow(claim: Claim) -> None:
        await asyncio.sleep(1.2 * letting_go.LET_GO_S)
        await check(claim)

    monkeypatch.setattr(Claim, "check", slow)
    place, one = new_place(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, hearing("a"), one) as leaving,
    ):
        await open_session(bus, place)
        await until(one.holds(1))
        await leaving.stop()
        subject = subject_of(Claimed, place, "stt", "session")
        records = [decode(each.payload) async for each in bus.read("SESSION", subject)]

    left = records[-1]
    assert isinstance(left, ClaimLeft)
    assert left.cause == "drained"
