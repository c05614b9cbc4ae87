"""Parts of a running system that are killed and stopped, at random moments of callers' turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from random import Random
from typing import Final

from msgspec import Struct

from benchmarks.doubled import Doubled, worker_name
from benchmarks.failover_turns import Talk
from schemas.claim import Claimed
from schemas.codec import decode
from schemas.turn import SessionMoved
from subjects.catalog import Place, subject_of
from subjects.streams import STAGES
from voicebus.bus.client import Bus
from voicebus.errors import BusError
from voicebus.supervisor import PartFailed

STOPPED_S: Final = 12.0
"""A stopped process is noticed by three missing beats; then it wakes, and must not do any harm."""

_SETTLED_S: Final = 1.5
_WHOLE_S: Final = 90.0
_PHASE_S: Final = 60.0
_LENGTHS_S: Final = {"llm": 2.0, "": 3.5}
"""How long a reply is in the making, for most stages and for the model."""

_PHASES: Final = {
    "": ("utterance", "reply", "utterance", "reply", "between"),
    # They have nothing to do before there is something to answer.
    "llm": ("reply", "reply", "reply", "utterance", "reply"),
    "tts": ("reply", "reply", "reply", "utterance", "reply"),
}
_POLL_S: Final = 0.1


class Planned(Struct, frozen=True, kw_only=True):
    """A kill that is to come.

    Fields
        kind: A role, ``edge``, ``supervisor`` or ``nats``.
        sign: ``kill`` or ``stop``.
        phase: Of the caller who is to be harmed.
        caller: Which one.
        part: How far into the phase: 0 is its begin, 1 is about its end.
    """

    kind: str
    sign: str
    phase: str
    caller: int
    part: float


class Kill(Struct, frozen=True, kw_only=True, tag="kill"):
    """A process that was killed, stopped, or asked to go.

    Fields
        kind: A role, ``edge``, ``supervisor`` or ``nats``.
        name: The part.
        worker: Its name on the bus.
        sign: ``kill``, ``stop`` or ``restart``.
        phase: Of the caller who was to be harmed, at that moment; empty where nobody was meant.
        caller: Which one; -1 for nobody.
        at_s: When, on the callers' clock.
        at_ns: The same in ns since 1970, as the streams have it.
        whole_s: How long it took until every part was ready again.
    """

    kind: str
    name: str
    worker: str
    sign: str
    phase: str
    caller: int
    at_s: float
    at_ns: int
    whole_s: float


def plan(
    kinds: Sequence[str], count: int, callers: int, stop_ratio: float, seed: int
) -> list[Planned]:
    """Draw the kills: each kind and each phase their share, everything else by chance.

    Args:
        kinds: What is killed.
        count: How many kills.
        callers: How many callers there are.
        stop_ratio: Which part of the workers' kills are stops. Others are killed only.
        seed: Of the chance.
    """
    chance = Random(seed)
    found = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        phases = _PHASES.get(kind, _PHASES[""])
        stops = kind in STAGES and chance.random() < stop_ratio
        found.append(
            Planned(
                kind=kind,
                sign="stop" if stops else "kill",
                phase=phases[number // len(kinds) % len(phases)],
                caller=chance.randrange(callers),
                part=chance.random(),
            )
        )
    return found


class Executioner:
    """Carries kills out, one after the other.

    Args:
        system: Where.
        bus: Says who serves a caller; it is read, and nothing else.
        talks: The callers.
        seed: Of what the plan leaves open.
    """

    def __init__(self, system: Doubled, bus: Bus, talks: Sequence[Talk], seed: int) -> None:
        self._system = system
        self._bus = bus
        self._talks = talks
        self._chance = Random(seed)

    async def strike(self, planned: Planned, length_s: float) -> Kill:
        """Wait for the moment, strike who serves the caller, and wait until all is well again.

        Args:
            planned: The kill.
            length_s: How long an utterance is.

        Raises:
            PartFailed: The system does not become whole.
        """
        await self._until_whole()
        talk = self._talks[planned.caller]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PHASE_S):
                await talk.reached(planned.phase)
        reply_s = _LENGTHS_S.get(planned.kind, _LENGTHS_S[""])
        lengths = {"utterance": length_s, "reply": reply_s, "between": 0.2}
        await asyncio.sleep(planned.part * lengths[planned.phase])
        name = await self._victim(planned.kind, talk.session)
        pid = self._system.pid(name)
        phase, at_s, at_ns = talk.phase, time.perf_counter(), time.time_ns()
        os.kill(pid, signal.SIGSTOP if planned.sign == "stop" else signal.SIGKILL)
        if planned.sign == "stop":
            await asyncio.sleep(STOPPED_S)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(_SETTLED_S)
        whole_s = await self._until_whole()
        return Kill(
            kind=planned.kind,
            name=name,
            worker=worker_name(pid),
            sign=planned.sign,
            phase=phase,
            caller=planned.caller,
            at_s=at_s,
            at_ns=at_ns,
            whole_s=whole_s - at_s,
        )

    async def _victim(self, kind: str, session: str) -> str:
        """Return the part that serves a session now; any of its kind where none does."""
        if kind in STAGES and session:
            with contextlib.suppress(BusError):
                place = Place(self._bus.cell, "*", await self._name_now(session))
                last = await self._bus.last("SESSION", subject_of(Claimed, place, kind))
                event = decode(last.payload) if last is not None else None
                if isinstance(event, Claimed) and (name := self._system.part_of(event.worker)):
                    return name
        return self._chance.choice(self._system.names(kind))

    async def _name_now(self, session: str) -> str:
        """Return the name of a session at the edge where it is now."""
        while True:
            said = subject_of(SessionMoved, Place(self._bus.cell, "*", session))
            events = [decode(m.payload) async for m in self._bus.read("SESSION", said)]
            moves = [event for event in events if isinstance(event, SessionMoved)]
            if not moves:
                return session
            session = moves[0].session

    async def _until_whole(self) -> float:
        """Wait until every part is ready; return when that was seen."""
        until_s = time.perf_counter() + _WHOLE_S
        while time.perf_counter() < until_s:
            if self._system.is_whole:
                return time.perf_counter()
            await asyncio.sleep(_POLL_S)
        raise PartFailed("the system did not become whole again after a kill")
