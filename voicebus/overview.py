"""What the system does at this moment: its workers, its queues, its sessions and its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.claim import Presence
from subjects.catalog import place_of
from subjects.jobs import role_of
from subjects.processes import presence_subject
from subjects.streams import ROLES, Limits, consumer_name, every_job, streams
from voicebus.bus.client import Bus
from voicebus.errors import BusError
from voicebus.worker import PRESENCE_S

LISTEN_S: Final = PRESENCE_S + 0.5
"""Who is alive gives a sign of it within this time."""

GONE_S: Final = 3 * PRESENCE_S

_COLUMNS: Final = {"edge": 4, "supervisor": 5}


class WorkerRow(Struct, frozen=True, kw_only=True):
    """One process.

    Fields
        role: Its stage; or ``edge``, ``supervisor``.
        worker: Its name on the bus: what ``voicebus drain`` takes.
        engine: What it runs.
        state: ``ready``, ``draining`` or ``drained``.
        busy: How many claims or sessions it holds.
        slots: How many it can hold.
        p50_ms: What callers wait for, half of the time: see :class:`schemas.claim.Presence`.
        p99_ms: The same, 99 of 100 times.
        metrics: URL of its metrics page.
    """

    role: str
    worker: str
    engine: str
    state: str
    busy: int
    slots: int
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    metrics: str = ""


class QueueRow(Struct, frozen=True, kw_only=True):
    """One stage's jobs.

    Fields
        role: The stage.
        waiting: Jobs that no worker has yet: the lag.
        held: Jobs that workers have.
        taken_over: Jobs that are not with the first worker that was given them.
        slots: How many jobs the stage's ready workers can hold.
    """

    role: str
    waiting: int
    held: int
    taken_over: int
    slots: int = 0


class SessionRow(Struct, frozen=True, kw_only=True):
    """One session.

    Fields
        session: Its id.
        edge: The edge that brought it in.
        open: Its jobs that are not done, by stage.
    """

    session: str
    edge: str
    open: dict[str, int]


class StreamRow(Struct, frozen=True, kw_only=True):
    """One stream.

    Fields
        name: Its name.
        messages: How many it holds.
        bytes: How much.
        max_bytes: How much it may hold.
        leader: The server that leads it, in a cluster.
        replicas: Copies.
    """

    name: str
    messages: int
    bytes: int
    max_bytes: int
    leader: str
    replicas: int


class Overview(Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    cell: str
    workers: tuple[WorkerRow, ...]
    queues: tuple[QueueRow, ...]
    sessions: tuple[SessionRow, ...]
    streams: tuple[StreamRow, ...]


def worker_rows(present: Iterable[Presence]) -> tuple[WorkerRow, ...]:
    """Return a row for each process, stage by stage."""
    rows = msgspec.convert(list(present), list[WorkerRow], from_attributes=True)
    order = {role: place for place, role in enumerate(ROLES)} | _COLUMNS
    return tuple(sorted(rows, key=lambda row: (order.get(row.role, len(order)), row.worker)))


def session_rows(jobs: Iterable[str]) -> tuple[SessionRow, ...]:
    """Return a row for each session that has an open job.

    Args:
        jobs: Subjects of the open jobs.
    """
    found: dict[tuple[str, str], dict[str, int]] = {}
    for job in jobs:
        place = place_of(job)
        counts = found.setdefault((place.edge, place.session), dict.fromkeys(ROLES, 0))
        role = role_of(job)
        counts[role] = counts.get(role, 0) + 1
    return tuple(
        SessionRow(session=session, edge=edge, open=counts)
        for (edge, session), counts in sorted(found.items())
    )


class Observer:
    """Looks at the system from outside, with rights that show no message.

    Args:
        bus: The connection.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._present: dict[tuple[str, str], tuple[float, Presence]] = {}

    async def follow(self) -> None:
        """Follow who is there; runs until cancelled."""
        async with self._bus.listen(presence_subject(self._bus.cell, "*", "*")) as inbox:
            async for _, event in inbox:
                if isinstance(event, Presence):
                    heard_s = asyncio.get_running_loop().time()
                    self._present[event.role, event.worker] = heard_s, event

    async def look(self) -> Overview:
        """Return what there is.

        Raises:
            BusError: The bus does not answer, or has no streams of the system.
        """
        now_s = asyncio.get_running_loop().time()
        alive = {
            name: (heard_s, presence)
            for name, (heard_s, presence) in self._present.items()
            if now_s - heard_s <= GONE_S and presence.state != "drained"
        }
        self._present = alive
        present = [presence for _, presence in alive.values()]
        jobs = await self._ask("STREAM.INFO.JOBS", {"subjects_filter": every_job(self._bus.cell)})
        return Overview(
            cell=self._bus.cell,
            workers=worker_rows(present),
            queues=tuple([await self._queue(role, present) for role in ROLES]),
            sessions=session_rows(jobs["state"].get("subjects") or ()),
            streams=await self._streams(),
        )

    async def _streams(self) -> tuple[StreamRow, ...]:
        # Not each by its name: that would be the right to ask for its subjects, which are secrets.
        listed = (await self._ask("STREAM.LIST", {}))["streams"] or ()
        rows = {row.name: row for row in map(_stream, listed)}
        try:
            return tuple(rows[stream.name] for stream in streams(Limits()))
        except KeyError as missing:
            raise BusError(f"the bus says nothing of the stream {missing}") from missing

    async def _queue(self, role: str, present: Iterable[Presence]) -> QueueRow:
        info = await self._ask(f"CONSUMER.INFO.JOBS.{consumer_name(self._bus.cell, role)}", {})
        return QueueRow(
            role=role,
            waiting=info["num_pending"],
            held=info["num_ack_pending"],
            taken_over=info["num_redelivered"],
            slots=sum(p.slots for p in present if p.role == role and p.state == "ready"),
        )

    async def _ask(self, verb: str, body: dict[str, str]) -> dict[str, Any]:
        answer = await self._bus.request(f"$JS.API.{verb}", msgspec.json.encode(body))
        found: dict[str, Any] = msgspec.json.decode(answer)
        if "error" in found:
            raise BusError(f"{verb}: {found['error'].get('description', 'refused')}")
        return found


def _stream(info: dict[str, Any]) -> StreamRow:
    config, state = info["config"], info["state"]
    return StreamRow(
        name=config["name"],
        messages=state["messages"],
        bytes=state["bytes"],
        max_bytes=config["max_bytes"],
        leader=(info.get("cluster") or {}).get("leader", ""),
        replicas=config["num_replicas"],
    )


def draw(overview: Overview, lines: int) -> str:
    """Return the overview as a table for people.

    Args:
        overview: What there is.
        lines: How many lines there is room for; sessions that do not fit are counted only.
    """
    workers = [
        [
            row.role,
            row.worker,
            row.engine or "-",
            row.state,
            f"{row.busy}/{row.slots}" if row.slots else "-",
            _ms(row.p50_ms),
            _ms(row.p99_ms),
        ]
        for row in overview.workers
    ]
    queues = [
        [q.role, str(q.waiting), str(q.held), str(q.slots), _load(q), str(q.taken_over)]
        for q in overview.queues
    ]
    held = [
        [s.name, f"{s.messages}", _size(s.bytes), f"{_share(s)}%", f"{s.replicas}", s.leader or "-"]
        for s in overview.streams
    ]
    parts = [
        f"cell {overview.cell}: {len(workers)} processes, {len(overview.sessions)} sessions",
        _table(["STAGE", "WORKER", "ENGINE", "STATE", "BUSY", "P50 ms", "P99 ms"], workers, 4),
        _table(["JOBS", "WAITING", "HELD", "SLOTS", "LOAD", "TAKEN OVER"], queues, 1),
        _table(["STREAM", "MESSAGES", "SIZE", "FULL", "COPIES", "LEADER"], held, 1),
    ]
    room = lines - sum(part.count("\n") + 2 for part in parts) - 2
    shown = overview.sessions[: max(0, room)]
    sessions = [[s.session, s.edge, *(str(s.open.get(role, 0)) for role in ROLES)] for s in shown]
    parts.append(_table(["SESSION", "EDGE", *(role.upper() for role in ROLES)], sessions, 2))
    if len(shown) < len(overview.sessions):
        parts[-1] += f"\nand {len(overview.sessions) - len(shown)} more"
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int) -> str:
    """Return rows under their head; columns from ``numbers_from`` on are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < numbers_from else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    )


def _ms(value: float) -> str:
    return f"{value:.0f}" if value else "-"


def _load(row: QueueRow) -> str:
    """Return the signal that the number of workers follows: work against what fits."""
    return f"{100 * (row.waiting + row.held) // row.slots}%" if row.slots else "-"


def _share(row: StreamRow) -> int:
    return 100 * row.bytes // row.max_bytes if row.max_bytes > 0 else 0


def _size(count: int) -> str:
    size, units = float(count), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"
