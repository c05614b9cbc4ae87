"""The real nats-server for tests: the project's nats.conf, a free port, a store of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Self
from urllib.parse import urlsplit

import msgspec

CONFIG = Path(__file__).parents[1] / "nats.conf"
START_LIMIT_S = 10.0
STOP_LIMIT_S = 10.0


class _Ports(msgspec.Struct, frozen=True):
    """What the server writes into its ports file once it listens."""

    nats: tuple[str, ...]
    monitoring: tuple[str, ...]


def nats_server_binary() -> str:
    """Path of nats-server: beside the running Python, or wherever the shell finds it.

    Raises:
        FileNotFoundError: It is in neither place.
    """
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("nats-server is missing: run `make setup-dev`")
    return found


class NatsServer:
    """One nats-server process, used as a context manager; its store outlives stop and kill.

    ``folder`` holds the store, the log and the ports file. ``url`` and ``monitoring_url`` stay
    the same over restarts.

    Args:
        folder: Its folder; it must exist.
        config: Its configuration, in which ports and store do not count.
    """

    def __init__(self, folder: Path, config: Path = CONFIG) -> None:
        self.folder = folder
        self._config = config
        self.store = folder / "store"
        self.log = folder / "nats-server.log"
        self.url = ""
        self.monitoring_url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the running server.

        Raises:
            RuntimeError: It does not run.
        """
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until clients can connect.

        Raises:
            RuntimeError: It runs already, or it ended or did not listen in time.
        """
        if self._process is not None:
            raise RuntimeError("the server runs already")
        self.store.mkdir(parents=True, exist_ok=True)
        for old in self._ports_files():
            old.unlink()
        self._output = self.log.open("ab")
        self._process = subprocess.Popen(
            self._command(), stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output
        )
        try:
            ports = self._wait_for_ports(self._process)
        except BaseException:
            self.kill()
            raise
        self.url, self.monitoring_url = ports.nats[0], ports.monitoring[0]

    def stop(self) -> None:
        """End the server in good order; nothing happens if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a crash does (SIGKILL); nothing happens if it does not run."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server and start it again: same port, same store."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open and nobody answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._running().send_signal(signal.SIGCONT)

    def _command(self) -> list[str]:
        port = str(urlsplit(self.url).port) if self.url else "-1"
        monitoring_port = str(urlsplit(self.monitoring_url).port) if self.url else "-1"
        return [
            nats_server_binary(),
            *("-c", str(self._config)),
            *("-a", "127.0.0.1"),
            *("-p", port),
            *("-m", monitoring_port),
            *("-sd", str(self.store)),
            *("--ports_file_dir", str(self.folder)),
        ]

    def _ports_files(self) -> list[Path]:
        return list(self.folder.glob("nats-server_*.ports"))

    def _wait_for_ports(self, process: subprocess.Popen[bytes]) -> _Ports:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            for path in self._ports_files():
                try:
                    return msgspec.json.decode(path.read_bytes(), type=_Ports)
                except msgspec.DecodeError:
                    pass  # it is being written
            time.sleep(0.01)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"nats-server did not start:\n{tail}")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)  # a frozen process takes no SIGTERM
            self._process.send_signal(how)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._output is not None:
            self._output.close()
            self._output = None
