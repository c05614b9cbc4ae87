"""Executes the command lines of a deployment as processes of this machine, without its containers.

What differs from the place that they are written for, and nothing else does:

- the first word is looked up beside this Python;
- paths below a mount point become paths below the folder that is mounted there;
- ports are free ones, and the addresses of the bus, of its page and of the language model's server
  follow;
- speech engines are the synthetic ones: what the real ones need is tested elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
from msgspec import Struct

from tests.plain import PLAIN
from voicebus.models.store import default_folder
from voicebus.parts import free_port

ROOT: Final = Path(__file__).parents[2]
LIMIT_S: Final = 100.0
PROGRAMS: Final = ("voicebus", "python", "nats-server")
_SYNTHETIC: Final = {"VOICEBUS_STT_ENGINE": "synthetic", "VOICEBUS_TTS_ENGINE": "synthetic"}


class Command(Struct, frozen=True, kw_only=True):
    """One command line.

    Fields
        name: Which one it is, for people.
        argv: Its words.
        environment: What the deployment gives to it.
        mounts: Folders and files by the path at which it has them.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, Path]

    @property
    def program(self) -> str:
        """Name of the program."""
        return Path(self.argv[0]).name


class Stage:
    """The processes of one deployment; a context manager that ends them.

    Args:
        folder: For logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hosts: dict[str, str] = {}
        self._running: dict[str, tuple[subprocess.Popen[bytes], str]] = {}
        self.bus = ""
        self.monitoring = ""
        self.llm = ""

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for process, _url in self._running.values():
            process.kill()
            process.wait()

    def resolve(self, host: str, address: str) -> None:
        """Let a name and port of the deployment's network stand for an address here."""
        self._hosts[host] = address

    def run(self, command: Command) -> str:
        """Run a command to its end, which is to be a good one; return what it wrote."""
        done = subprocess.run(
            self._argv(command),
            env=self._environment(command),
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command.name}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, command: Command) -> None:
        """Start a process that stays; it is waited for by :meth:`wait_until_ready`."""
        argv, port = self._argv(command), free_port()
        environment = self._environment(command)
        page = "readyz"
        if command.program == "nats-server":
            bus, page = free_port(), "healthz"
            argv += ["-a", "127.0.0.1", "-p", str(bus), "-m", str(port)]
            self.bus = f"nats://127.0.0.1:{bus}"
            self.monitoring = f"http://127.0.0.1:{port}"
        elif command.program == "python":
            page = "health"
            argv += ["--host", "127.0.0.1", "--port", str(port)]
            self.llm = f"http://127.0.0.1:{port}/v1"
        else:
            for part in ("EDGE", "TELEPHONY", "TELEGRAM"):
                environment[f"VOICEBUS_{part}_PORT"] = str(free_port())
            if (audiosocket := "VOICEBUS_TELEPHONY_AUDIOSOCKET_PORT") in environment:
                environment[audiosocket] = str(free_port())
            is_edge = argv[1:] == ["edge"]
            environment["VOICEBUS_EDGE_PORT" if is_edge else "VOICEBUS_METRICS_PORT"] = str(port)
        with (self._folder / f"{command.name}.log").open("wb") as log:
            process = subprocess.Popen(
                argv, env=environment, cwd=self._folder, stdout=log, stderr=log
            )
        self._running[command.name] = (process, f"http://127.0.0.1:{port}/{page}")

    def wait_until_ready(self) -> None:
        """Wait until each process says that it is ready."""
        for name, (process, url) in self._running.items():
            until_s = time.monotonic() + LIMIT_S
            while not _answers(url):
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
                assert time.monotonic() < until_s, f"{name} is not ready: {self.log(name)}"
                time.sleep(0.1)

    def talk(self, edge: str) -> str:
        """Say something to an edge by text, and return what `voicebus talk --json` prints."""
        url = self._running[edge][1].rpartition("/")[0].replace("http://", "ws://")
        words = ("voicebus", "talk", "--url", f"{url}/ws", "--text", "Hello.", "--json")
        return self.run(Command(name="talk", argv=words, environment={}, mounts={}))

    def page(self, name: str) -> str:
        """Return the metrics of a process."""
        root = self._running[name][1].rpartition("/")[0]
        return httpx2.get(f"{root}/metrics", timeout=LIMIT_S, **PLAIN).text

    def ask(self, name: str, words: Sequence[str]) -> int:
        """Run a health check, at the port that the process has here; return its exit code."""
        url = self._running[name][1]
        port = str(urlsplit(url).port)
        argv = [re.sub(r"(?<=127\.0\.0\.1:)\d+|^\d+$", port, word) for word in words]
        program = sys.executable if argv[0] == "python" else shutil.which(argv[0])
        assert program is not None, f"{name}: there is no {argv[0]} here"
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [program, *argv[1:]], env=environment, timeout=LIMIT_S, capture_output=True, check=False
        )
        return done.returncode

    def end(self) -> dict[str, int]:
        """Ask all to go, and then the bus, which was started first; return their exit codes."""
        bus, *others = self._running
        codes: dict[str, int] = {}
        for group in (others, [bus]):
            for name in group:
                self._running[name][0].send_signal(signal.SIGTERM)
            codes |= {name: self._running[name][0].wait(LIMIT_S) for name in group}
        return codes

    def log(self, name: str) -> str:
        """Return what a process wrote."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def _argv(self, command: Command) -> list[str]:
        assert command.program in PROGRAMS, f"{command.name}: what is {command.argv[0]}?"
        beside = Path(sys.executable).with_name(command.program)
        words = [placed(word, command.mounts) for word in command.argv[1:]]
        for host, address in self._hosts.items():
            words = [word.replace(host, address) for word in words]
        return [str(beside), *words]

    def _environment(self, command: Command) -> dict[str, str]:
        given = {name: placed(value, command.mounts) for name, value in command.environment.items()}
        reached = {"VOICEBUS_NATS_URL": self.bus} if self.bus else {}
        if command.argv[1:] == ("nats-exporter",):
            reached["VOICEBUS_NATS_EXPORTER_URLS"] = self.monitoring
        if self.llm and "VOICEBUS_LLM_URL" in given:
            reached["VOICEBUS_LLM_URL"] = self.llm
        inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self._folder)}
        return {**inherited, **_SYNTHETIC, **given, **reached}


def placed(text: str, mounts: Mapping[str, Path]) -> str:
    """Return a text whose absolute paths are those of this machine."""
    if not mounts:
        return text
    points = "|".join(re.escape(point) for point in sorted(mounts, key=len, reverse=True))
    found = re.compile(rf"(?<![\w/])({points})(?=/|$|,|\s)")
    return found.sub(lambda point: str(mounts[point[1]]), text)


def models() -> Path:
    """Return the folder of the models, in the place of a volume of them."""
    return default_folder(os.environ)


def only(commands: Iterable[Command], name: str) -> Command:
    """Return the command of a name."""
    return next(command for command in commands if command.name == name)


def _answers(url: str) -> bool:
    with suppress(httpx2.HTTPError):
        return httpx2.get(url, timeout=5.0, **PLAIN).status_code == 200
    return False
