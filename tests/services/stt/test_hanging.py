"""An engine that never comes back from one session's audio: whose fault that is."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.claim import Claimed, ClaimLeft
from schemas.codec import decode
from services.stt.engine import Hint, Recognition
from services.stt.worker import transcribe
from subjects.catalog import Place, subject_of
from tests.services.stt.ears import Recogniser, ears_of, quiet, sound
from tests.services.stt.hearing import MANUAL
from tests.services.stt.test_worker import Caller
from tests.workers import beside, bus_in, new_place, until
from voicebus import engine_thread, vitals
from voicebus.bus.client import Bus
from voicebus.worker import Role, Worker


class Hanging(Recogniser):
    """Does not return before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.go = threading.Event()

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Wait."""
        self.begun.set()
        self.go.wait(60)
        return super().recognise(samples, hint)


async def left(bus: Bus, place: Place) -> list[tuple[str, str]]:
    """Why a session's claims were given back."""
    subject = subject_of(Claimed, place, "stt", "session")
    events = [decode(message.payload) async for message in bus.read("SESSION", subject)]
    return [(event.cause, event.reason) for event in events if isinstance(event, ClaimLeft)]


async def test_only_the_session_whose_audio_hangs_is_blamed(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of the worker go on elsewhere with a clean record."""
    monkeypatch.setattr(engine_thread, "STUCK_S", 0.5)
    monkeypatch.setattr(vitals, "LOOK_S", 0.05)
    first, engine, given_up = new_place(), Hanging(), asyncio.Event()
    second = beside(first)
    async with (
        bus_in(nats_server, first.cell) as bus,
        bus_in(nats_server, first.cell, "a") as own,
        ears_of(engine) as ears,
        bus.listen(subject_of(Claimed, first, "stt", "session")) as inbox,
    ):
        role = Role(name="stt", slots=4, engine="toy", worker="a", stuck=ears.stuck)
        worker = Worker(own, role, partial(transcribe, ears=ears), lambda *_: given_up.set())
        running = asyncio.create_task(worker.run(asyncio.Event(), 2.0))
        for place in (first, second):
            await bus.store(MANUAL, place, job="session")
        caller = Caller(bus, first, inbox)
        await caller.say(sound(0.8) + quiet(0.8))
        await until(engine.begun.is_set, limit_s=20)
        await Caller(bus, second, inbox).say(quiet(0.5))
        await asyncio.wait_for(given_up.wait(), 20)
        engine.go.set()
        await asyncio.wait((running,), timeout=20)

        assert await left(bus, first) == [("hung", "stt-inference hangs")]
        assert await left(bus, second) == [("drained", "")]
