"""What the log says of a session after a run: who served it when, and its caller's audio.

A session that moved to another edge has another name and another log there. Both are read as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks.kills import Kill
from schemas.audio import CALLER_RATE_HZ, AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.llm import GenerationDone
from schemas.tts import SpeechDone
from schemas.turn import SessionMoved, TurnEnded
from subjects.catalog import Place, place_of
from subjects.streams import STAGES
from voicebus.audio.pcm import samples_of
from voicebus.bus.client import Bus
from voicebus.cli.replay import recorded


class Service(Struct, frozen=True, kw_only=True):
    """A worker's time with one job of a session, in ns since 1970.

    Fields
        role: Its stage.
        worker: Its name.
        turn: Of the job; 0 for jobs that last a session.
        from_ns: When it claimed the job.
        to_ns: When the job was done or another worker had claimed it; None: it was not.
    """

    role: str
    worker: str
    turn: int
    from_ns: int
    to_ns: int | None


class SessionLog(Struct, frozen=True, kw_only=True):
    """One session as the streams hold it.

    Fields
        services: Who served it.
        audio: The caller's, every sample at its place.
        gap_ms: How much of that is missing between its first and last sample.
    """

    services: tuple[Service, ...]
    audio: NDArray[np.int16]
    gap_ms: float


async def fetch(bus: Bus, session: str) -> SessionLog:
    """Return the log of a session, wherever it went.

    Args:
        bus: Of a user that may read the streams.
        session: Its first name; empty for a session that never was.

    Raises:
        BusError: The streams cannot be read.
    """
    stored: list[tuple[int, str, Event]] = []
    while session:
        found = await recorded(bus, session)
        stored += [(message.stored_ns, message.subject, event) for message, event in found]
        session = next((e.session for _, e in found if isinstance(e, SessionMoved)), "")
    return read(sorted(stored, key=lambda entry: entry[0]))


def read(events: Sequence[tuple[int, str, Event]]) -> SessionLog:
    """Read a session's log.

    Args:
        events: When each was stored in ns since 1970, its subject, and itself; in their order.
    """
    chunks = {e.offset: e for _, _, e in events if isinstance(e, AudioChunk)}
    length = max((at + len(chunk.pcm) // 2 for at, chunk in chunks.items()), default=0)
    audio, there = np.zeros(length, np.int16), np.zeros(length, np.bool_)
    for at, chunk in chunks.items():
        end = at + len(chunk.pcm) // 2
        audio[at:end], there[at:end] = samples_of(chunk.pcm), True
    return SessionLog(
        services=_services(events),
        audio=audio,
        gap_ms=1000 * float(np.count_nonzero(~there)) / CALLER_RATE_HZ,
    )


def served(log: SessionLog, kill: Kill) -> bool:
    """Whether what was killed served this session at that moment.

    Everything is served by the bus and the edge, and nothing by a supervisor.
    """
    if kill.kind not in STAGES:
        return kill.kind != "supervisor"
    return any(
        service.role == kill.kind
        and service.worker == kill.worker
        and service.from_ns <= kill.at_ns
        and (service.to_ns is None or kill.at_ns < service.to_ns)
        for service in log.services
    )


def _services(events: Sequence[tuple[int, str, Event]]) -> tuple[Service, ...]:
    open_: dict[str, Service] = {}
    found: list[Service] = []
    left: set[Place] = set()

    def close(subject: str, at_ns: int) -> None:
        service = open_.pop(subject)
        found.append(
            Service(
                role=service.role,
                worker=service.worker,
                turn=service.turn,
                from_ns=service.from_ns,
                to_ns=at_ns,
            )
        )

    for at_ns, subject, event in events:
        match event:
            case SessionMoved():
                left.add(place_of(subject))
                for held in [held for held in open_ if place_of(held) in left]:
                    close(held, at_ns)
            case Claimed() if place_of(subject) not in left:
                if subject in open_:
                    close(subject, at_ns)
                open_[subject] = Service(
                    role=event.role,
                    worker=event.worker,
                    turn=_turn(subject),
                    from_ns=at_ns,
                    to_ns=None,
                )
            case GenerationDone() | SpeechDone() | TurnEnded():
                role = {GenerationDone: "llm", SpeechDone: "tts"}.get(type(event), "")
                for held, service in list(open_.items()):
                    if service.turn and service.turn <= event.turn and role in {"", service.role}:
                        close(held, at_ns)
            case _:
                pass
    return (*found, *open_.values())


def _turn(subject: str) -> int:
    """Return the turn that a job is named after; 0 where it is not."""
    head = subject.rsplit(".", 1)[1].partition("-")[0]
    return int(head) if head.isdecimal() else 0
