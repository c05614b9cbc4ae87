"""The supervisor's process, on a bus with users."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from schemas.claim import Presence
from subjects.processes import presence_subject
from tests.secured import CELL, Secured, secured_server
from tests.system import Process
from voicebus import credentials, parts
from voicebus.failover.system import Change, attend
from voicebus.settings import PREFIX


def supervisor(secured: Secured, folder: Path) -> Process:
    """Start one with the seeds of its two users."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    settings = {
        "NATS_URL": secured.server.url,
        "NATS_NKEY_FILE": str(credentials.seed_of(secured.users, "supervisor")),
        "SUPERVISOR_SYSTEM_NKEY_FILE": str(credentials.seed_of(secured.users, "system")),
        "CELL": CELL,
        "WORKER_ID": "watchful",
    }
    environ = {**clean, **{PREFIX + name: value for name, value in settings.items()}}
    return Process(parts.supervisor_part(environ), folder)


async def until_ready(process: Process) -> None:
    """Wait until a process says that it is ready.

    Raises:
        TimeoutError: It does not in time.
    """
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(process.is_ready):
            assert process.code is None, process.log
            await asyncio.sleep(0.05)


async def test_a_supervisor_does_its_work_with_the_least_rights(tmp_path: Path) -> None:
    """It is ready, gives signs of life, and the server had nothing to refuse."""
    with secured_server(tmp_path / "bus") as secured:
        await secured.make_layout()
        process = supervisor(secured, tmp_path)
        try:
            await until_ready(process)
            beats = presence_subject(CELL, "supervisor", "watchful")
            async with (
                secured.bus("monitor") as bus,
                bus.listen(beats) as inbox,
                asyncio.timeout(10),
            ):
                _, beat = await inbox.next()
            process.signal(signal.SIGTERM)
            code = await asyncio.to_thread(process.wait, 20)
        finally:
            process.signal(signal.SIGKILL)

        assert isinstance(beat, Presence)
        assert code == 0
        assert secured.violations() == []


async def test_the_systems_user_may_end_a_connection(tmp_path: Path) -> None:
    """It finds it by the name of the process, ends it, and hears that it has ended."""
    began: list[Change] = []
    ended: list[Change] = []
    with secured_server(tmp_path / "bus") as secured:
        settings = secured.settings("system")
        async with (
            attend(settings, "s1", began.append, ended.append, lambda: None) as system,
            secured.bus("llm") as bus,
        ):
            links = dict(await system.everyone())
            await system.kick(links["llm"])
            async with asyncio.timeout(10):
                while not ended or len(began) < 2:  # it comes back
                    await asyncio.sleep(0.01)
                while not bus.is_connected:
                    await asyncio.sleep(0.01)

        assert (ended[0].client.name, ended[0].reason) == ("llm", "Kicked")
        assert ended[0].link == links["llm"]
        assert secured.violations() == []
