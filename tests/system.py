"""A whole system as real processes: bus, workers, edge, and llama.cpp where it is wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import httpx2
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from tests.nats_server import NatsServer
from tests.plain import PLAIN
from voicebus import parts
from voicebus.models.store import ModelStore, default_folder
from voicebus.settings import PREFIX
from voicebus.supervisor import Part, UpSettings

START_LIMIT_S = 150.0
STOP_LIMIT_S = 15.0

SYNTHETIC: Final[Mapping[str, str]] = {
    "STT_ENGINE": "synthetic",
    "STT_SYNTHETIC_MS": "20",
    "LLM_ENGINE": "synthetic",
    "LLM_SLOTS": "16",
    "TTS_ENGINE": "synthetic",
    "TURN_STALL_S": "60",
}
"""Engines that answer with fixed times and texts; voice detection stays real."""

REAL: Final[Mapping[str, str]] = {
    "STT_MODEL": "whisper-tiny.en",
    "LLM_MAX_TOKENS": "24",
    "LLM_CACHE_PROMPT": "true",
    "LLM_PREFILL": "true",
    "TURN_STALL_S": "60",
}
"""Real engines, small enough for two cores: English only, and short replies."""


class Process:
    """One part that runs, with its output in a file."""

    def __init__(self, part: Part, folder: Path) -> None:
        self.name = part.name
        self.url = part.ready_url.rsplit("/", 1)[0]
        self._has_pages = part.ready_url.endswith("/readyz")
        self._log = folder / f"{part.name}.log"
        self._part = part
        self._popen = self._spawn()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._popen.poll()

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.code is None:
            self._popen.send_signal(number)

    def wait(self, within_s: float) -> int:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        return self._popen.wait(within_s)

    def restart(self) -> None:
        """Start it again after its end; elsewhere, if somebody else has its port by now."""
        port = int(self.url.rpartition(":")[2])
        if not parts.is_free(port) and self._part.renewed is not None:
            self._part = replace(self._part.renewed(), name=self.name)
            self.url = self._part.ready_url.rsplit("/", 1)[0]
        self._popen = self._spawn()

    def is_ready(self) -> bool:
        """Ask /readyz."""
        return self.says_yes("readyz")

    def says_yes(self, page: str) -> bool:
        """Ask /readyz or /livez. llama.cpp has its one page for both."""
        url = f"{self.url}/{page}" if self._has_pages else self._part.ready_url
        with suppress(httpx2.HTTPError):
            return httpx2.get(url, timeout=2.0, **PLAIN).status_code == 200
        return False

    def rss_bytes(self) -> int:
        """Return its resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def threads(self) -> int:
        """Return how many threads it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                list(self._part.argv),
                env=dict(self._part.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )


class System:
    """Processes that make a system, used as a context manager.

    Args:
        folder: For the bus's store and the processes' logs.
        settings: Settings without their ``VOICEBUS_``.
        nats: A bus that runs already; without one the system starts its own.
        roles: Workers to start.
        own: Settings of one part alone, by its name.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        nats: NatsServer | None = None,
        roles: tuple[str, ...] = parts.ROLES,
        own: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.processes: dict[str, Process] = {}
        self._owns_nats = nats is None
        self.nats = nats or NatsServer(folder / "nats")
        self._settings = settings
        self._roles = roles
        self._own = own

    def __enter__(self) -> Self:
        try:
            if self._owns_nats:
                self.nats.folder.mkdir(exist_ok=True)
                self.nats.start()
            self.launch()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def root(self) -> str:
        """HTTP address of the edge."""
        return self.processes["edge"].url

    @property
    def ws(self) -> str:
        """Address of /ws."""
        return self.root.replace("http://", "ws://", 1) + "/ws"

    def environment(self, **given: str) -> dict[str, str]:
        """Return a process's environment: ours without its settings, then the system's."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        chosen = {
            "MODELS_DIR": str(default_folder(os.environ)),
            "OFFLINE": "true",
            "NATS_URL": self.nats.url,
            "EDGE_KEYS_FILE": str(self.folder / "keys.json"),
            **self._settings,
            **given,
        }
        return {**clean, **{f"{PREFIX}{name}": value for name, value in chosen.items()}}

    def launch(self) -> None:
        """Start every process; does not wait for them."""
        given: dict[str, str] = {}
        environ = self.environment()
        if "llm" in self._roles and parts.needs_llama(environ):
            store = ModelStore(default_folder(os.environ))
            llama = parts.llama_part(UpSettings(), store, environ)
            given["LLM_URL"] = llama.shown_url
            # Its worker warms it up and gives up when nobody answers.
            self._wait_for(self.add(llama), time.monotonic() + START_LIMIT_S)
        for role in self._roles:
            own = self._own.get(role, {})
            self.add(parts.worker_part(role, self.environment(**given, **own)))
        own = self._own.get("edge", {})
        self.add(parts.edge_part(parts.free_port(), self.environment(**own)))

    def add(self, part: Part) -> Process:
        """Start one more process."""
        process = Process(part, self.folder)
        self.processes[part.name] = process
        return process

    def wait_ready(self) -> None:
        """Wait until every process says that it is ready.

        Raises:
            RuntimeError: One of them ended, or is not ready in time.
        """
        deadline = time.monotonic() + START_LIMIT_S
        for process in self.processes.values():
            self._wait_for(process, deadline)

    def wait_alive(self, process: Process) -> None:
        """Wait until a process answers /livez."""
        self._wait_for(process, time.monotonic() + START_LIMIT_S, "livez")

    def samples(self, name: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return a process's metrics by name and labels, read with Prometheus' own parser."""
        answer = httpx2.get(self.processes[name].url + "/metrics", timeout=5.0, **PLAIN)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def metric(self, process: str, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels; 0 if there are none."""
        wanted = set(labels.items())
        return sum(
            value
            for (found, has), value in self.samples(process).items()
            if found == name and wanted <= has
        )

    def stop(self) -> None:
        """End everything: the edge first, so that sessions end before who serves them."""
        for process in reversed(self.processes.values()):
            process.signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.signal(signal.SIGKILL)
                process.wait(STOP_LIMIT_S)
        if self._owns_nats:
            self.nats.stop()

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Kill a process for a while; it is started again and ready at the end."""
        process = self.processes[name]
        process.signal(signal.SIGKILL)
        process.wait(STOP_LIMIT_S)
        try:
            yield
        finally:
            process.restart()
            self._wait_for(process, time.monotonic() + START_LIMIT_S)

    def expect_whole(self) -> None:
        """Start again what has ended by itself, for those who come next, and say what it wrote.

        Raises:
            AssertionError: There was something.
        """
        ended = [process for process in self.processes.values() if process.code is not None]
        told = [f"{one.name} ended with code {one.code}:\n{one.log[-3000:]}" for one in ended]
        for process in ended:
            process.restart()
            self._wait_for(process, time.monotonic() + START_LIMIT_S)
        assert not told, "\n".join(told)

    def _wait_for(self, process: Process, deadline: float, page: str = "readyz") -> None:
        # A page that answers may be another's, whose port this one came too late for.
        while process.code is not None or not process.says_yes(page):
            if process.code is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{process.name} is not ready (exit code {process.code}):\n"
                    f"{process.log[-3000:]}"
                )
            time.sleep(0.05)
