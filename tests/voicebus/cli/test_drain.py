"""A worker that is asked to go."""

from __future__ import annotations

import asyncio

import pytest

from tests.voicebus.cli.loopback import silent_port
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, new_place, until, until_done, worker_in
from voicebus.cli import drain as command
from voicebus.cli.drain import drain
from voicebus.cli.main import main
from voicebus.errors import NoWorker


async def test_a_worker_hands_on_and_ends_when_asked(nats_server: str) -> None:
    """The command returns when it has; its work is with another one."""
    place, one, other = new_place(), Work(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a", slots=1), one, drain_s=0.2) as leaving,
    ):
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, role("b"), other):
            await drain(bus, "a", wait=True)
            await until(other.holds(1))
            held, ready = one.held, leaving.worker.is_ready
            other.go.set()
            await until_done(bus, "llm")

    assert (held, ready) == (0, False)
    assert [claim.attempt for claim in other.claims] == [2]


async def test_nobody_else_is_drained(nats_server: str) -> None:
    """The order names one worker."""
    place, work = new_place(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a"), work),
        worker_in(nats_server, place.cell, role("b"), work) as staying,
    ):
        await drain(bus, "a", wait=True)
        await asyncio.sleep(0.2)

        assert staying.worker.is_ready


async def test_a_worker_that_is_not_there_cannot_be_drained(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was misspelt must not look like a success."""
    monkeypatch.setattr(command, "_LOOK_S", 0.3)
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        with pytest.raises(NoWorker, match="nobody"):
            await drain(bus, "nobody", wait=False)


@pytest.mark.parametrize("words", [("drain", "stt-1"), ("top", "--once")])
def test_without_a_bus_they_say_so(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, code 1: nobody waits for a bus that is not there."""
    monkeypatch.setenv("VOICEBUS_NATS_URL", f"nats://127.0.0.1:{silent_port()}")
    monkeypatch.setattr("voicebus.operator._CONNECT_S", 0.3)

    assert main(list(words)) == 1
    assert "no bus answers" in capsys.readouterr().err
