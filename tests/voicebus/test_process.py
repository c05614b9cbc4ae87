"""The frame of a process, in real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from subjects.tokens import new_token
from tests.nats_server import NatsServer
from tests.plain import PLAIN
from voicebus import pulse
from voicebus.bus.client import Bus
from voicebus.parts import free_port
from voicebus.process import serve_role
from voicebus.role import Role

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 20.0


def environment(**given: str) -> dict[str, str]:
    """A clean environment with these settings."""
    clean = {name: value for name, value in os.environ.items() if "VOICEBUS" not in name}
    return {**clean, **{f"VOICEBUS_{name}": value for name, value in given.items()}}


def ended(code: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a process whose main function does this, to its end."""
    text = (
        "import asyncio, os, signal, sys\n"
        "from voicebus.errors import *\n"
        "from voicebus.process import run\n"
        f"async def main(stop):\n    {code}\n"
        "sys.exit(run('toy', main))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def worker(url: str, port: int, cell: str) -> Iterator[subprocess.Popen[str]]:
    """A real TTS worker with the synthetic voice."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.tts"],
        cwd=ROOT,
        env=environment(NATS_URL=url, CELL=cell, TTS_ENGINE="synthetic", METRICS_PORT=str(port)),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def readiness(port: int) -> tuple[int, dict[str, bool]]:
    """What /readyz says; (0, {}) while nobody listens."""
    async with httpx2.AsyncClient(**PLAIN) as client:
        with contextlib.suppress(httpx2.HTTPError):
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
            return answer.status_code, answer.json()
    return 0, {}


async def until_status(port: int, status: int) -> dict[str, bool]:
    """Wait until /readyz has this status; return its conditions."""
    async with asyncio.timeout(START_LIMIT_S):
        while True:
            found, conditions = await readiness(port)
            if found == status:
                return conditions
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("code", "exit_code", "line"),
    [
        ("pass", 0, ""),
        ("raise ConfigError('a setting is wrong')", 2, "voicebus toy: a setting is wrong\n"),
        ("raise BusUnavailable('no bus')", 1, "voicebus toy: no bus\n"),
        ("raise BaseExceptionGroup('g', [ModelError('no model')])", 1, "voicebus toy: no model\n"),
        (
            "raise ExceptionGroup('g', [ExceptionGroup('h', [ConfigError('deep')])])",
            2,
            "voicebus toy: deep\n",
        ),
    ],
)
def test_an_end_has_a_code_and_one_clear_line(code: str, exit_code: int, line: str) -> None:
    """0 when all is well, 2 for a wrong setting, 1 for what else we know; no traceback."""
    done = ended(code)

    assert (done.returncode, done.stderr) == (exit_code, line)


@pytest.mark.parametrize(
    "code",
    ["raise KeyError('a bug')", "raise ExceptionGroup('g', [ConfigError('x'), KeyError('a bug')])"],
)
def test_a_bug_shows_where_it_is(code: str) -> None:
    """What we do not know keeps its traceback."""
    done = ended(code)

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "a bug" in done.stderr


def test_an_unknown_setting_stops_a_process_at_its_start() -> None:
    """A misspelt variable is an error in every process, not only in the command."""
    done = ended("print('ran')", STT_MODLE="x")

    assert done.returncode == 2
    assert "did you mean VOICEBUS_STT_MODEL?" in done.stderr
    assert "ran" not in done.stdout


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_asks_the_process_to_stop(number: str) -> None:
    """The first one sets the event; what runs may end in order."""
    done = ended(f"os.kill(os.getpid(), signal.{number}); await stop.wait(); print('in order')")

    assert (done.returncode, done.stdout) == (0, "in order\n")


def test_a_second_signal_ends_the_process_at_once() -> None:
    """Who asks twice does not want to wait."""
    done = ended(
        "os.kill(os.getpid(), signal.SIGTERM); await stop.wait(); "
        "os.kill(os.getpid(), signal.SIGTERM); await asyncio.sleep(20)"
    )

    assert done.returncode == 130


async def test_a_worker_waits_for_the_bus_and_is_ready_when_it_comes(
    own_nats_server: NatsServer,
) -> None:
    """Without a bus the process lives and names what is missing; then it serves."""
    port = free_port()
    await asyncio.to_thread(own_nats_server.stop)
    with worker(own_nats_server.url, port, new_token("c")) as process:
        waiting = await until_status(port, 503)
        await asyncio.sleep(0.5)
        alive = process.poll() is None
        await asyncio.to_thread(own_nats_server.start)
        ready = await until_status(port, 200)

    assert alive
    assert waiting["bus"] is False
    assert ready == {"engine": True, "bus": True, "claims": True}


async def test_a_worker_that_waits_for_the_bus_can_be_stopped(own_nats_server: NatsServer) -> None:
    """SIGTERM ends it though there is nothing to drain."""
    port = free_port()
    await asyncio.to_thread(own_nats_server.stop)
    with worker(own_nats_server.url, port, new_token("c")) as process:
        await until_status(port, 503)
        process.send_signal(signal.SIGTERM)
        begun_s = time.monotonic()
        await asyncio.to_thread(process.wait, 10)
        took_s = time.monotonic() - begun_s

    assert took_s < 5


async def test_a_worker_ends_in_order(nats_server: str) -> None:
    """SIGTERM drains a worker: it says so in its log and ends with code 0."""
    port = free_port()
    with worker(nats_server, port, new_token("c")) as process:
        await until_status(port, 200)
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.to_thread(process.communicate, None, 10)

    events = [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]
    assert process.returncode == 0
    assert [event for event in events if event.startswith("worker.")] == [
        "worker.ready",
        "worker.draining",
        "worker.drained",
    ]


async def test_nothing_is_claimed_before_the_worker_knows_what_is_kept(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A voice that exists would be refused by a worker that has not read of it yet."""
    port, known, stop = free_port(), asyncio.Event(), asyncio.Event()
    told = {"NATS_URL": nats_server, "CELL": new_token("c"), "METRICS_PORT": str(port)}
    for name, value in told.items():
        monkeypatch.setenv(f"VOICEBUS_{name}", value)

    async def nothing(*_: object) -> None:
        """No work, and no engine to warm."""

    async def learn(_: Bus) -> None:
        await known.wait()

    role = Role(name="tts", slots=1, engine="toy", joined=learn)
    closing: list[float] = []
    serving = asyncio.create_task(serve_role(role, nothing, nothing, stop, closing.append))
    unready = {"engine": True, "bus": True, "claims": False}
    async with asyncio.timeout(START_LIMIT_S):
        while (await readiness(port))[1] != unready:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)

    assert (await readiness(port))[1] == unready
    known.set()
    assert (await until_status(port, 200))["claims"]
    stop.set()
    await serving

    assert closing == [pulse.CLOSING_S]


LOADS_FOR_EVER = (
    "from voicebus.process import serve_role; from voicebus.role import Role; import time\n"
    "    async def nothing(*_): pass\n"
    "    async def load():\n"
    "        print('loading', flush=True)\n"
    "        await asyncio.to_thread(time.sleep, 300)\n"
    "    role = Role(name='tts', slots=1, engine='toy', joined=nothing)\n"
    "    asyncio.get_running_loop().call_later(2, os.kill, os.getpid(), signal.SIGTERM)\n"
    "    await serve_role(role, nothing, load, stop)"
)


def test_a_worker_that_is_still_loading_ends_when_it_is_asked_to(nats_server: str) -> None:
    """A thread that loads a model is waited for without end otherwise."""
    begun_s = time.monotonic()
    done = ended(LOADS_FOR_EVER, NATS_URL=nats_server, CELL=new_token("c"))

    assert done.returncode == 0, done.stderr
    assert done.stdout == "loading\n"
    assert "does not end by itself" in done.stderr
    assert time.monotonic() - begun_s < START_LIMIT_S
