"""What systemd is told, on a real socket as systemd has one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebus.systemd import told, watchdog_s

LIMIT_S = 60.0


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(LIMIT_S)
        yield listening


def environ(inbox: socket.socket, watchdog_us: str = "") -> dict[str, str]:
    """What systemd gives to the process."""
    address = inbox.getsockname()
    name = f"@{address[1:].decode()}" if isinstance(address, bytes) else str(address)
    return {"NOTIFY_SOCKET": name, **({"WATCHDOG_USEC": watchdog_us} if watchdog_us else {})}


def arrived(inbox: socket.socket) -> list[str]:
    """What is in the socket, one entry a datagram."""
    inbox.settimeout(0)
    found = []
    try:
        while True:
            found.append(inbox.recv(4096).decode())
    except BlockingIOError:
        return found


def next_with(inbox: socket.socket, word: str) -> str:
    """The next datagram with a word."""
    while word not in (said := inbox.recv(4096).decode()):
        pass
    return said


async def until(inbox: socket.socket, word: str) -> str:
    """The same, while the event loop turns."""
    return await asyncio.to_thread(next_with, inbox, word)


async def test_it_is_told_of_readiness_and_of_the_end(inbox: socket.socket) -> None:
    """What is missing, once; that all is there, once; and that it stops."""
    state = {"engine": False, "bus": False}
    stop = asyncio.Event()

    async with told(lambda: dict(state), stop, environ(inbox)):
        assert await until(inbox, "STATUS") == "STATUS=waiting for engine, bus"
        state["engine"] = True
        assert await until(inbox, "STATUS") == "STATUS=waiting for bus"
        state["bus"] = True
        assert await until(inbox, "READY") == "READY=1\nSTATUS=ready"
        state["bus"] = False
        stop.set()
        assert "STOPPING=1" in await until(inbox, "STOPPING")

    assert arrived(inbox) == []


async def test_it_hears_of_an_end_before_readiness(inbox: socket.socket) -> None:
    """A process that is told to go before it was ready says so, and never that it is ready."""
    stop = asyncio.Event()
    stop.set()

    async with told(lambda: {"bus": False}, stop, environ(inbox)):
        assert (await until(inbox, "=1")).startswith("STOPPING=1")


async def test_a_blocked_event_loop_gives_no_sign_of_life(inbox: socket.socket) -> None:
    """While it turns, three signs in the time that systemd waits; while it is blocked, none."""
    async with told(lambda: {}, asyncio.Event(), environ(inbox, "300000")):
        await until(inbox, "WATCHDOG=1")
        await until(inbox, "WATCHDOG=1")
        arrived(inbox)
        time.sleep(0.6)  # noqa: ASYNC251 - what it is about
        assert arrived(inbox) == []
        inbox.settimeout(LIMIT_S)
        await until(inbox, "WATCHDOG=1")


async def test_a_socket_without_a_file_is_reached() -> None:
    """Its name begins with @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0voicebus-test-{os.getpid()}")
        listening.settimeout(LIMIT_S)
        async with told(lambda: {}, asyncio.Event(), environ(listening)):
            assert "READY=1" in await until(listening, "READY")


async def test_nothing_is_said_without_systemd() -> None:
    """No socket, no tasks."""
    before = len(asyncio.all_tasks())

    async with told(lambda: {}, asyncio.Event(), {}):
        assert len(asyncio.all_tasks()) == before


async def test_a_full_socket_holds_up_nobody(inbox: socket.socket) -> None:
    """Systemd may be behind: the process goes on."""
    async with told(lambda: {}, asyncio.Event(), environ(inbox, "30000")):
        await asyncio.sleep(0.5)  # more than the ten that such a queue holds

    assert "READY=1\nSTATUS=ready" in arrived(inbox)


@pytest.mark.parametrize(
    ("given", "limit_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
    ],
)
def test_who_is_watched(given: dict[str, str], limit_s: float | None) -> None:
    """The process that systemd names, and none that it starts."""
    assert watchdog_s(given) == limit_s


def test_a_real_process_says_it(inbox: socket.socket, nats_server: str) -> None:
    """A turn worker on a real bus: ready, alive, stopping."""
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("voicebus")), "worker", "turn"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "VOICEBUS_NATS_URL": nats_server,
            **environ(inbox, "3000000"),
        },
    )
    try:
        assert next_with(inbox, "READY=1")
        assert next_with(inbox, "WATCHDOG=1") == "WATCHDOG=1"
        process.send_signal(signal.SIGTERM)
        assert next_with(inbox, "STOPPING=1")
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        process.wait()
