"""A disk that is really full: the bus stores on a small file system of its own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.client import connected, expect_eventually, expect_healthy
from tests.nats_server import NatsServer
from tests.system import SYNTHETIC, System
from voicebus.bus.client import Bus
from voicebus.bus.client import connect as connect_bus
from voicebus.errors import BusTimeout
from voicebus.parts import free_port
from voicebus.settings import BusSettings

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(300)]

DISK = "mount -t tmpfs -o size=48m voicebus"
PRIVATE = ("unshare", "--map-root-user", "--mount", "sh", "-c")


class SmallDisk(NatsServer):
    """A server on a disk of 48 MB. A shell holds the disk and starts the server when it ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Each start must get the same ports.
        self.url = f"nats://127.0.0.1:{free_port()}"
        self.monitoring_url = f"http://127.0.0.1:{free_port()}"
        self._pid_file = folder / "pid"

    def restart_server(self) -> None:
        """End the server alone: its disk stays, and its shell starts it again."""
        os.kill(int(self._pid_file.read_text()), signal.SIGTERM)

    def _command(self) -> list[str]:
        server, pid = shlex.join(super()._command()), shlex.quote(str(self._pid_file))
        mount = f"{DISK} {shlex.quote(str(self.store))}"
        end = f"trap 'kill $(cat {pid}); wait; exit' TERM"
        serve = f"while true; do {server} & echo $! > {pid}; wait $!; done"
        return [*PRIVATE, f"{mount} && {end}; {serve}"]


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[SmallDisk]:
    """A bus that can be filled up."""
    probe = subprocess.run([*PRIVATE, f"{DISK} {tmp_path}"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("no file system can be mounted here")
    (tmp_path / "nats").mkdir()
    with SmallDisk(tmp_path / "nats") as running:
        yield running


async def fill(bus: Bus) -> None:
    """Store until the server does not answer any more."""
    while True:
        await bus.request("others", bytes(900 << 10))


async def error_of_a_turn(system: System) -> str:
    """Do a turn on a connection of its own; return the code of its error, or nothing."""
    async with connected(system) as client:
        await client.send("text", text="is there room")
        await expect_eventually(
            lambda: bool(client.messages("turn_ended") or client.messages("error")),
            "the client is told what came of it",
            75,  # four workers try a claim for 10 s each before one gives it up
        )
        return "".join(message["code"] for message in client.messages("error")[:1])


@pytest.mark.fault
async def test_a_full_disk_is_told_and_survived(nats: SmallDisk, tmp_path: Path) -> None:
    """Turns are answered or get a typed error, it is counted; with room again all is well."""
    with System(tmp_path / "system", SYNTHETIC, nats) as system:
        await expect_healthy(system)
        bus = await connect_bus(BusSettings(nats_url=nats.url), "filler")
        try:
            await bus.request(
                "$JS.API.STREAM.CREATE.OTHERS",
                b'{"name":"OTHERS","subjects":["others"],"storage":"file"}',
            )
            with pytest.raises(BusTimeout):
                await fill(bus)

            codes = [await error_of_a_turn(system) for _ in range(2)]

            assert set(codes) <= {
                "",
                "no_worker",
                "storage_full",
                "bus_timeout",
                "engine_timeout",
                "engine",
            }
            await expect_eventually(
                lambda: any(
                    system.metric(name, "voicebus_bus_ack_failures_total")
                    for name in ("edge", "tts")
                ),
                "what could not be stored is counted",
                30,
            )
            await bus.request("$JS.API.STREAM.DELETE.OTHERS", b"")
        finally:
            await bus.close()
        # A stream that could not be written stays so until the server starts again.
        nats.restart_server()

        async def is_well() -> bool:
            return await error_of_a_turn(system) == ""

        await expect_eventually(is_well, "turns are answered again", 60)
        await expect_healthy(system)
