"""What the system does at this moment."""

from __future__ import annotations

import asyncio

from schemas.claim import Presence
from tests.voicebus.toys import Work, ask, role
from tests.workers import beside, bus_in, new_place, until, worker_in
from voicebus.overview import (
    Observer,
    Overview,
    QueueRow,
    SessionRow,
    StreamRow,
    draw,
    session_rows,
    worker_rows,
)

STREAM = StreamRow(
    name="AUDIO", messages=1200, bytes=2_500_000, max_bytes=10_000_000, leader="n2", replicas=3
)


def overview(sessions: int) -> Overview:
    """An overview with so many sessions."""
    present = [
        Presence(role="edge", worker="e1", slots=500, busy=sessions),
        Presence(role="stt", worker="host-1", slots=64, busy=3, engine="toy", p50_ms=21.4),
    ]
    return Overview(
        cell="local",
        workers=worker_rows(present),
        queues=(QueueRow(role="stt", waiting=2, held=3, taken_over=1, slots=4),),
        sessions=tuple(
            SessionRow(session=f"s{number}", edge="e1", open={"stt": 1, "turn": 1})
            for number in range(sessions)
        ),
        streams=(STREAM,),
    )


def test_stages_stand_in_the_order_of_a_turn() -> None:
    """Then come edges and supervisors."""
    roles = ["supervisor", "tts", "edge", "llm", "turn", "stt"]
    rows = worker_rows(Presence(role=name, worker="w", slots=1, busy=0) for name in roles)

    assert [row.role for row in rows] == ["stt", "turn", "llm", "tts", "edge", "supervisor"]


def test_a_session_is_what_has_an_open_job() -> None:
    """Its jobs are counted by stage; the same name at another edge is another session."""
    rows = session_rows(
        [
            "vb.c.job.stt.e1.s1.session",
            "vb.c.job.llm.e1.s1.3-0",
            "vb.c.job.llm.e1.s1.3-1",
            "vb.c.job.turn.e2.s1.session",
        ]
    )

    assert [(row.edge, row.session) for row in rows] == [("e1", "s1"), ("e2", "s1")]
    assert rows[0].open == {"stt": 1, "turn": 0, "llm": 2, "tts": 0, "tool": 0}


def test_the_table_says_it_in_columns() -> None:
    """A row for each process, queue, stream and session; what nobody knows is a dash."""
    lines = draw(overview(2), 60).splitlines()

    assert lines[0] == "cell local: 2 processes, 2 sessions"
    assert "stt    host-1  toy     ready   3/64      21       -" in lines
    assert "stt         2     3      4  125%           1" in lines
    assert "AUDIO       1200  2.5 MB   25%       3      n2" in lines
    assert "s1       e1      1     1    0    0     0" in lines


def test_sessions_that_do_not_fit_are_counted() -> None:
    """The table never scrolls the workers away."""
    lines = draw(overview(100), 30).splitlines()

    assert len(lines) <= 30
    assert "and" in lines[-1]
    assert lines[-1].endswith("more")


async def test_it_is_what_a_real_system_does(nats_server: str) -> None:
    """A worker with one job of two, and the other one waiting."""
    place, work = new_place(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role(slots=1), work),
    ):
        await ask(bus, place)
        await ask(bus, beside(place))
        await until(work.holds(1))
        observer = Observer(bus)
        following = asyncio.create_task(observer.follow())
        async with asyncio.timeout(10):
            while not (found := await observer.look()).workers:
                await asyncio.sleep(0.1)
        following.cancel()

    (worker,) = found.workers
    assert (worker.role, worker.worker, worker.slots) == ("llm", "a", 1)
    llm = next(row for row in found.queues if row.role == "llm")
    assert (llm.waiting, llm.held, llm.slots, llm.taken_over) == (1, 1, 1, 0)
    assert len(found.sessions) == 2
    assert {row.name: row.replicas for row in found.streams}["JOBS"] == 1
