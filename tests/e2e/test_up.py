"""``voicebus up``: one command for everything, and nothing left of it afterwards."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.client import word_error_rate
from tests.system import SYNTHETIC, System
from voicebus.audio.wav import read_wav
from voicebus.parts import free_port

pytestmark = pytest.mark.model

VOICEBUS = str(Path(sys.executable).with_name("voicebus"))
PARTS = (
    *("nats-server", "services.stt", "services.turn", "services.llm", "services.tts", "edge"),
    "voicebus.failover",
)


class Up:
    """A running ``voicebus up``."""

    def __init__(self, folder: Path, settings: Mapping[str, str], *arguments: str) -> None:
        self.port = free_port()
        self._output = folder / "output.txt"
        self.environ = System(folder, settings).environment(UP_DATA_DIR=str(folder / "data"))
        # Its own bus, not the one of another system.
        del self.environ["VOICEBUS_NATS_URL"]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [VOICEBUS, "up", "--port", str(self.port), *arguments],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it printed."""
        return self._output.read_text()

    def bus_port(self) -> str:
        """Return the port of its bus, as it printed it."""
        printed = re.search(r"nats://127.0.0.1:(\d+)", self.output)
        assert printed is not None
        return printed[1]

    def until(self, condition: Callable[[], bool], what: str, within_s: float = 120.0) -> None:
        """Wait for something."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within_s:g} s: {what}\n{self.output}")
            time.sleep(0.05)

    def until_serving(self) -> None:
        """Wait until it says where to talk to it."""
        self.until(
            lambda: "Talk to it" in self.output or self.process.poll() is not None, "it serves"
        )
        assert self.process.poll() is None, self.output

    def children(self) -> dict[int, str]:
        """Return its child processes and their commands."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid): command_of(int(pid)) for pid in listed.split()}

    def child(self, name: str) -> int:
        """Return the process id of a part; 0 if it does not run."""
        return next((pid for pid, command in self.children().items() if name in command), 0)

    def end(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def command_of(pid: int) -> str:
    """Return a process's command line; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""


@contextmanager
def up(folder: Path, settings: Mapping[str, str], *arguments: str) -> Iterator[Up]:
    """Start ``voicebus up`` and end it after the block."""
    running = Up(folder, settings, *arguments)
    try:
        yield running
    finally:
        running.end()


def speak_once(folder: Path) -> tuple[float, str]:
    """Run ``up --once``; return the seconds until it was ready, and what it printed."""
    with up(folder, {}, "--once") as running:
        assert running.process.wait(90) == 0, running.output
    ready = re.search(r"^up +ready +([\d.]+) s", running.output, re.MULTILINE)
    assert ready is not None
    return float(ready[1]), running.output


def test_once_speaks_the_sample_and_ends(tmp_path: Path) -> None:
    """With models present it is soon ready, understands and answers the sample, and ends with 0."""
    ready_s, printed = speak_once(tmp_path)

    assert ready_s <= 60  # how soon it should be, the benchmark of the latency says
    said = re.search(r"^said +(.+)$", printed, re.MULTILINE)
    transcript = re.search(r"^transcript +(.+)$", printed, re.MULTILINE)
    assert said is not None
    assert transcript is not None
    assert word_error_rate(said[1], transcript[1]) <= 0.10
    assert re.search(r"^answer +\w", printed, re.MULTILINE)
    assert re.search(r"^hold +█", printed, re.MULTILINE)
    rate_hz, reply = read_wav(tmp_path / "data" / "reply.wav")
    assert rate_hz == 24_000
    assert np.abs(reply).max() > 1000
    assert str(tmp_path / "data" / "reply.wav") in printed


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that runs with synthetic engines; the last test that uses it ends it."""
    with up(tmp_path_factory.mktemp("up"), SYNTHETIC) as running:
        running.until_serving()
        yield running


def test_its_bus_is_for_its_own_parts_alone(serving: Up) -> None:
    """Whoever reaches the port is nobody; each part has its own seed; nothing was refused."""
    data = Path(serving.environ["VOICEBUS_UP_DATA_DIR"])
    environments = {
        part: Path(f"/proc/{serving.child(part)}/environ").read_bytes().decode()
        for part in PARTS[1:]
    }

    seeds = {
        part: re.findall(r"/(?P<user>[a-z-]+)\.seed", environ)
        for part, environ in environments.items()
    }
    assert seeds == {
        "services.stt": ["stt"],
        "services.turn": ["turn"],
        "services.llm": ["llm"],
        "services.tts": ["tts"],
        "edge": ["edge-local"],
        "voicebus.failover": ["supervisor", "system"],
    }
    with socket.create_connection(("127.0.0.1", int(serving.bus_port())), 5) as stranger:
        stranger.sendall(b'CONNECT {"verbose": false}\r\nPING\r\n')
        answers = stranger.makefile().read()
    assert "Authorization Violation" in answers
    assert "Violation" not in "".join(
        path.read_text() for path in (data / "logs").glob("*.log") if path.name != "nats.log"
    )
    assert "Publish Violation" not in (data / "logs" / "nats.log").read_text()
    assert "Subscription Violation" not in (data / "logs" / "nats.log").read_text()


def test_its_sessions_are_read_back_without_a_setting(serving: Up) -> None:
    """Whoever owns the data folder is the admin of the bus, and finds it at whatever port."""
    done = subprocess.run(
        [VOICEBUS, "replay", "last", "--json", "--wav", "/dev/null"],
        env=serving.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr
    assert '"type": "session.opened"' in done.stdout


def test_two_of_them_do_not_share_a_store(serving: Up) -> None:
    """A second one on the same data folder is refused; the first one goes on."""
    done = subprocess.run(
        [VOICEBUS, "up", "--port", str(free_port())],
        env=serving.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 2
    assert "VOICEBUS_UP_DATA_DIR" in done.stderr
    assert is_answered(serving)


def test_parts_that_die_are_started_again_and_serve(serving: Up) -> None:
    """Each part that is killed comes back by itself, and a turn is answered again."""
    assert "Synthetic engines made this answer." in serving.output
    for part in ("services.stt", "services.tts", "edge"):
        pid = serving.child(part)
        os.kill(pid, signal.SIGKILL)
        serving.until(lambda pid=pid, part=part: serving.child(part) not in {0, pid}, part)  # type: ignore[misc]

    serving.until(lambda: is_answered(serving), "a turn is answered again")


def test_ctrl_c_ends_everything_in_good_order(serving: Up) -> None:
    """SIGINT ends all parts, and the supervisor with code 0."""
    children = serving.children()
    assert all(any(part in command for command in children.values()) for part in PARTS)

    serving.process.send_signal(signal.SIGINT)

    assert serving.process.wait(30) == 0, serving.output
    assert [command for pid, command in children.items() if command_of(pid)] == []


def is_answered(running: Up) -> bool:
    """Whether a typed turn is answered, by the command for that."""
    done = subprocess.run(
        [VOICEBUS, "talk", "--text", "hello", "--url", f"ws://127.0.0.1:{running.port}/ws"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode == 0


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves ``up`` no time to end its parts: they end all the same, within seconds."""
    with up(tmp_path, SYNTHETIC) as running:
        running.until_serving()
        children = running.children()
        assert len(children) == len(PARTS)

        running.process.kill()
        running.process.wait(5)

        running.until(
            lambda: not any(command_of(pid) for pid in children),
            "all parts have ended",
            10,
        )


def test_sigterm_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    """Somebody who changes their mind while it starts gets the shell back, and no process stays."""
    with up(tmp_path, SYNTHETIC) as running:
        running.until(lambda: len(running.children()) >= 3, "some parts run")
        children = running.children()

        running.process.terminate()

        assert running.process.wait(30) == 0, running.output
        assert [command for pid, command in children.items() if command_of(pid)] == []


def test_a_part_that_refuses_its_settings_ends_everything(tmp_path: Path) -> None:
    """Nobody believes that a bot listens whose token is none: its own words are the last ones."""
    with up(tmp_path, {**SYNTHETIC, "TELEGRAM_TOKEN": "1:what-BotFather-said"}) as running:
        assert running.process.wait(60) == 1, running.output

    assert "VOICEBUS_TELEGRAM_TOKEN: the token of bot" in running.output
    assert "never retrieved" not in running.output


def test_a_port_in_use_is_said_and_nothing_starts(tmp_path: Path) -> None:
    """Exit code 2 and a line that names the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [VOICEBUS, "up", "--port", str(port)],
            env=System(tmp_path, SYNTHETIC).environment(UP_DATA_DIR=str(tmp_path / "data")),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "ddress already in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data" / "jetstream").exists()
