"""Parts as child processes: started, waited for, started again when they die, ended in order."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import httpx2
import structlog
from msgspec import Struct

from voicebus import metrics
from voicebus.errors import VoicebusError
from voicebus.part import Departure, Part

__all__ = ["Departure", "Part", "PartFailed", "Supervisor", "UpSettings"]

log: Final = structlog.get_logger()

_FIRST_PAUSE_S: Final = 0.5
"""Before the second start in a row. The first one is at once: somebody waits for the part."""

_LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
_POLL_S: Final = 0.1
_READY_S: Final = 120.0
_TAIL_LINES: Final = 12
_PR_SET_PDEATHSIG: Final = 1


class UpSettings(Struct, frozen=True, kw_only=True):
    """How ``voicebus up`` runs.

    Fields
        data_dir: Folder of the bus's store and the parts' logs; empty for the user's data folder.
        nats_port: Port of the bus; 0 takes 4222, or a free one when that is in use.
        llm_model: Model of the embedded language model server.
        telephony: Whether there is an edge for telephones, too.
        metrics_port: Port of its own page, where Prometheus finds the others; 0 takes 9464, or a
            free one when that is in use.
    """

    data_dir: str = ""
    nats_port: int = 0
    llm_model: str = "smollm2-135m-instruct-q4_1"
    telephony: bool = False
    metrics_port: int = 0

    def folder(self) -> Path:
        """Return the data folder."""
        if self.data_dir:
            return Path(self.data_dir).expanduser()
        data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return Path(data).expanduser() / "voicebus"

    def store(self) -> Path:
        """Return the folder of the store of its bus."""
        return self.folder() / "jetstream"

    def users(self) -> Path:
        """Return the folder of the users of its bus."""
        return self.folder() / "users"


class PartFailed(VoicebusError):
    """Raised when a part does not come up at start."""

    code = "part_failed"


class Supervisor:
    """Runs parts until it is stopped.

    Args:
        logs: Folder for the parts' output.
        on_ready: Told each time that a part has become ready.
        steady_s: A part that ran for this long is started anew at once, as at its first death.
    """

    def __init__(
        self,
        logs: Path,
        on_ready: Callable[[Part, float], None],
        steady_s: float = _STEADY_S,
    ) -> None:
        self._logs = logs
        self._on_ready = on_ready
        self._steady_s = steady_s
        self._parts: dict[str, tuple[Part, asyncio.TaskGroup]] = {}
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._log_begins: dict[str, int] = {}
        self._retired: dict[asyncio.subprocess.Process, Part] = {}
        self._ready: dict[str, bool] = {}
        self._stopping = False

    def readiness(self) -> dict[str, bool]:
        """Name the parts and say which are ready; /readyz of the supervisor."""
        return dict(self._ready)

    def pid(self, name: str) -> int:
        """Return the process id of a part that runs."""
        return self._running[name].pid

    def part(self, name: str) -> Part:
        """Return a part as it was started last."""
        return self._parts[name][0]

    async def start(self, group: asyncio.TaskGroup, part: Part) -> Awaitable[None]:
        """Start a part and keep it running; what is returned is done once it is ready.

        Raises:
            PartFailed: (from what is returned) It ended before it was ready.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parts[part.name] = part, group
        self._ready.setdefault(part.name, False)  # it is one of us from now on
        metrics.RESTARTS.labels(part.name)  # from 0 on: see voicebus/zeros.py
        group.create_task(self._keep(part, ready))
        return ready

    async def restart(self, name: str) -> Departure:
        """Start a part anew. Where it can be, the new one is ready before the old one is ended.

        Returns:
            How the old one went.

        Raises:
            PartFailed: There is no part of that name, or the new one does not come up; the old one
                goes on, if it still runs.
        """
        if name not in self._parts:
            raise PartFailed(f"there is no part {name!r}: there are {', '.join(self._parts)}")
        part, group = self._parts[name]
        old = self._running[name]
        self._retired[old] = part
        if part.renewed is None:
            departure = await self._end(part, old)
            await (await self.start(group, part))
            return departure
        try:
            await (await self.start(group, part.renewed()))
        except PartFailed:
            await self._end(part, self._running[name])
            if old.returncode is not None:
                await self.start(group, part)
                raise
            self._retired.pop(old, None)
            self._parts[name], self._running[name], self._ready[name] = (part, group), old, True
            raise
        return await self._end(part, old)

    async def retire(self, name: str) -> None:
        """End a part for good: it gets SIGTERM and its time, then SIGKILL.

        Raises:
            PartFailed: There is no part of that name.
        """
        if name not in self._parts:
            raise PartFailed(f"there is no part {name!r}: there are {', '.join(self._parts)}")
        # It was started just now, and is being made by the system.
        while name not in self._running:  # noqa: ASYNC110 - a few ms, once
            await asyncio.sleep(_POLL_S)
        process = self._running.pop(name)
        part, _ = self._parts.pop(name)
        self._retired[process] = part
        self._ready.pop(name, None)
        await self._end(part, process)

    async def stop(self, names: Sequence[str]) -> None:
        """End parts in this order: each gets SIGTERM and its time, then SIGKILL."""
        self._stopping = True
        for name in names:
            process = self._running.get(name)
            if process is not None:
                await self._end(self.part(name), process)
        # One that was being replaced when this began, and that nobody else ends any more.
        for process, part in tuple(self._retired.items()):
            await self._end(part, process)

    async def _end(self, part: Part, process: asyncio.subprocess.Process) -> Departure:
        asked_s = time.monotonic()
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(part.stop_s):
                    await process.wait()
            except TimeoutError:
                log.warning("part.killed", part=part.name)
                process.kill()
                await process.wait()
        return Departure(asked_s=asked_s, took_s=time.monotonic() - asked_s)

    async def _keep(self, part: Part, ready: asyncio.Future[None]) -> None:
        pause_s = 0.0
        while True:
            begun_s = time.monotonic()
            self._ready[part.name] = False
            process = await self._spawn(part)
            self._running[part.name] = process
            waiting = asyncio.create_task(self._until_ready(part, begun_s, ready))
            code = await process.wait()
            waiting.cancel()
            if process in self._retired:
                self._retired.pop(process, None)
                return
            self._ready[part.name] = False
            if self._stopping:
                return
            if code == 0 and ready.done():
                # A worker that was drained on purpose. Nothing else ends in good order by itself.
                log.info("part.left", part=part.name)
                del self._ready[part.name]
                return
            if not ready.done():
                ready.set_exception(PartFailed(self._obituary(part, code)))
                return
            if time.monotonic() - begun_s > self._steady_s:
                pause_s = 0.0
            log.warning("part.died", part=part.name, code=code, again_in_s=pause_s)
            metrics.RESTARTS.labels(part.name).inc()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S) or _FIRST_PAUSE_S
            if self._stopping:
                return
            if process in self._retired:  # another one was started in its place meanwhile
                self._retired.pop(process, None)
                return

    async def _spawn(self, part: Part) -> asyncio.subprocess.Process:
        with self._log(part).open("ab") as output:
            self._log_begins[part.name] = output.tell()  # behind what those before it have written
            return await asyncio.create_subprocess_exec(
                *part.argv,
                env=dict(part.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in the terminal is for the supervisor alone, which ends parts in order.
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    async def _until_ready(self, part: Part, begun_s: float, ready: asyncio.Future[None]) -> None:
        async with httpx2.AsyncClient(trust_env=False, timeout=2.0) as client:
            while True:
                try:
                    answer = await client.get(part.ready_url)
                    if answer.status_code == 200:
                        break
                except httpx2.HTTPError:
                    pass
                if time.monotonic() - begun_s > _READY_S and not ready.done():
                    ready.set_exception(PartFailed(self._obituary(part, None)))
                    return
                await asyncio.sleep(_POLL_S)
        self._ready[part.name] = True
        self._on_ready(part, time.monotonic() - begun_s)
        if not ready.done():
            ready.set_result(None)

    def _log(self, part: Part) -> Path:
        return self._logs / f"{part.name}.log"

    def _obituary(self, part: Part, code: int | None) -> str:
        path = self._log(part)
        written = path.read_bytes()[self._log_begins[part.name] :].decode(errors="replace")
        tail = "\n".join(f"    {line}" for line in written.splitlines()[-_TAIL_LINES:])
        what = "is not ready" if code is None else f"ended with code {code} before it was ready"
        return f"{part.name} {what}; the end of {path}:\n{tail}"


def _die_with_parent() -> None:
    """Run in the child: the kernel ends it when the supervisor is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
