"""What is compared, as child processes: the system, the floor, and the model server they share."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from voicebus import parts
from voicebus.keys import FILE_VARIABLE
from voicebus.models import ModelStore, default_folder
from voicebus.settings import PREFIX
from voicebus.supervisor import Departure, Part, Supervisor, UpSettings

ENDING_ORDER: Final = (
    *(
        "telegram",
        "edge",
        "floor",
        "pipecat",
        "turn",
        "stt",
        "llm",
        "tts",
        "supervisor",
        "llama",
        "nats",
    ),
)
"""Kinds of parts. Of several of a kind each has a number behind its name: ``stt-1``."""

STEADY_S: Final = 60.0

SYNTHETIC: Final[Mapping[str, str]] = {
    f"{PREFIX}STT_ENGINE": "synthetic",
    f"{PREFIX}LLM_ENGINE": "synthetic",
    f"{PREFIX}TTS_ENGINE": "synthetic",
}

REAL: Final[Mapping[str, str]] = {
    # The same words in answer to the same words, and not more of them than are measured.
    f"{PREFIX}LLM_TEMPERATURE": "0",
    f"{PREFIX}LLM_MAX_TOKENS": "32",
    # The same answers come again and again: each of them is to be spoken, not remembered.
    f"{PREFIX}TTS_PHRASE_CHARS": "0",
}

_OF_OTHER_SYSTEMS: Final = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("NATS_URL", "NATS_USER", "NATS_PASSWORD", "NATS_NKEY_FILE", "RECORD", "WORKER_ID"),
        *("NATS_CA_FILE", "NATS_CERT_FILE", "NATS_CERT_KEY_FILE", "EDGE_NAME"),
        *("METRICS_HOST", "METRICS_PORT", "EDGE_HOST", "EDGE_PORT", "UP_NATS_PORT", "UP_DATA_DIR"),
    )
)


def base_environment() -> dict[str, str]:
    """Return our environment without the settings that belong to a system that runs already."""
    ours = {name: value for name, value in os.environ.items() if name not in _OF_OTHER_SYSTEMS}
    return {**ours, FILE_VARIABLE: "/nonexistent/keys.json"}  # the callers have no key


class Starter(Protocol):
    """Starts parts and waits for them."""

    async def start(self, *starting: Part) -> None:
        """Start parts side by side and wait until all are ready.

        Raises:
            PartFailed: One of them ended before that.
        """
        ...


class Started:
    """Starts parts in one folder; made by :func:`starter`."""

    def __init__(self, folder: Path, supervisor: Supervisor, group: asyncio.TaskGroup) -> None:
        self.folder = folder
        self._supervisor = supervisor
        self._group = group

    async def start(self, *starting: Part) -> None:
        """Start parts side by side and wait until all are ready.

        Raises:
            PartFailed: One of them ended before that.
        """
        await asyncio.gather(
            *[await self._supervisor.start(self._group, part) for part in starting]
        )

    def pid(self, name: str) -> int:
        """Return the process of a part that runs."""
        return self._supervisor.pid(name)

    def part(self, name: str) -> Part:
        """Return a part as it was started last."""
        return self._supervisor.part(name)

    def readiness(self) -> dict[str, bool]:
        """Name the parts and say which are ready."""
        return self._supervisor.readiness()

    async def restart(self, name: str) -> Departure:
        """Start a part anew as an operator does; where it can be, before the old one ends.

        Raises:
            PartFailed: It does not come up.
        """
        return await self._supervisor.restart(name)


@asynccontextmanager
async def starter(folder: Path, steady_s: float = STEADY_S) -> AsyncIterator[Started]:
    """Run parts while the context lasts, and end them in good order.

    Args:
        folder: For their logs and data.
        steady_s: A part that dies after this long is started anew at once; sooner, after a pause
            that grows from death to death.
    """
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    supervisor = Supervisor(logs, lambda _part, _seconds: None, steady_s)
    async with asyncio.TaskGroup() as group:
        try:
            yield Started(folder, supervisor, group)
        finally:
            await supervisor.stop(ending(supervisor.readiness()))


def ending(names: Iterable[str]) -> list[str]:
    """Return in which order parts are ended: who serves others ends after them."""
    order = {kind: place for place, kind in enumerate(ENDING_ORDER)}
    return sorted(names, key=lambda name: (order.get(name.partition("-")[0], 0), name))


async def start_llama(started: Starter, environ: Mapping[str, str]) -> str:
    """Start llama.cpp's server with one slot and no store of old prompts; return its URL.

    So it knows the prompt of the request before and nothing else: whoever asks next finds what the
    benchmark left there, and nobody profits from another's turn.
    """
    up = UpSettings()
    part = parts.llama_part(up, ModelStore(default_folder(environ)), parts.environment(environ))
    argv = [*part.argv, "--slots", "1", "--prompt-cache-mib", "0"]
    await started.start(
        Part(
            name=part.name,
            argv=argv,
            environment=part.environment,
            ready_url=part.ready_url,
            shown_url=part.shown_url,
        )
    )
    return part.shown_url


async def start_bus(started: Started, environ: Mapping[str, str]) -> dict[str, str]:
    """Start a bus in the folder of the parts; return the environment of all that use it."""
    up = UpSettings(data_dir=str(started.folder), nats_port=parts.free_port())
    nats = parts.nats_part(up, environ)
    await started.start(nats)
    return parts.environment({**environ, f"{PREFIX}NATS_URL": nats.shown_url})


async def start_system(started: Started, environ: Mapping[str, str]) -> str:
    """Start bus, workers and edge; return the address of /ws."""
    url, _ = await start_measured_system(started, environ)
    return url


async def start_measured_system(
    started: Started, environ: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Start bus, workers and edge; return the address of /ws, and of each worker's metrics."""
    given = await start_bus(started, environ)
    edge = parts.edge_part(parts.free_port(), given)
    workers = [parts.worker_part(role, given) for role in parts.ROLES]
    await started.start(*workers, edge)
    return socket_url(edge), {worker.name: worker.shown_url for worker in workers}


async def start_floor(started: Started, environ: Mapping[str, str]) -> str:
    """Start the same engines in one process; return the address of its /ws."""
    part = parts.edge_part(parts.free_port(), parts.environment(environ))
    floor = Part(
        name="floor",
        argv=[sys.executable, "-m", "benchmarks.floor"],
        environment=part.environment,
        ready_url=part.ready_url,
        shown_url=part.shown_url,
    )
    await started.start(floor)
    return socket_url(floor)


def socket_url(edge: Part) -> str:
    """Return the address of a part's /ws."""
    return edge.shown_url.replace("http://", "ws://", 1) + "/ws"
