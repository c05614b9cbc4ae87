"""``voicebus up`` as a user starts it, measured from outside: start, idle CPU time, memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks import measure
from benchmarks.recordings import Recording
from voicebus.caller import RATE_HZ, Caller, call
from voicebus.errors import EngineError
from voicebus.parts import free_port
from voicebus.settings import PREFIX

IDLE_S: Final = 12.0
"""How long a caller is silent while processor time is counted."""

_SETTLE_S: Final = 1.0
_START_S: Final = 120.0
_STOP_S: Final = 20.0
_READY: Final = re.compile(r"up +ready ")
_SERVING: Final = re.compile(r"Talk to it: ")
_COMMAND: Final = "import sys; from voicebus.cli.main import main; sys.exit(main())"


class Whole(Struct, frozen=True):
    """What one start of the whole system gave.

    Fields
        ready_s: From the start of the command to its word that all parts are ready.
        idle_cpu_ratio: Processor time of all its processes over time, while one caller is silent;
            1 is one core.
        memory_mb: Proportional set size of all its processes after some turns.
        processes: How many they are.
    """

    ready_s: float
    idle_cpu_ratio: float
    memory_mb: float
    processes: int


async def measure_whole(
    environ: Mapping[str, str], folder: Path, recordings: tuple[Recording, ...]
) -> Whole:
    """Start ``voicebus up``, let it stand idle, talk to it, end it.

    Raises:
        EngineError: It did not start, or did not answer.
    """
    port = free_port()
    settings = {"UP_DATA_DIR": str(folder), "UP_NATS_PORT": str(free_port())}
    given = {f"{PREFIX}{name}": value for name, value in settings.items()}
    begun_s = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _COMMAND, "up", "--port", str(port)),
        env={**environ, **given},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_START_S):
            await _said(process, _READY)
            ready_s = time.monotonic() - begun_s
            # It speaks a sample through itself before it says this.
            await _said(process, _SERVING)
        pids = measure.family(process.pid)
        async with call(f"ws://127.0.0.1:{port}/ws") as caller:
            idle_cpu_ratio = await _idle(caller, pids)
        for recording in recordings:
            async with call(f"ws://127.0.0.1:{port}/ws") as caller:
                await caller.speak(recording.samples)
        memory_mb = measure.memory_mb(pids)
        return Whole(ready_s, idle_cpu_ratio, memory_mb, len(pids))
    except TimeoutError as err:
        raise EngineError("`voicebus up` did not become ready") from err
    finally:
        await _end(process)


async def _said(process: asyncio.subprocess.Process, wanted: re.Pattern[str]) -> None:
    """Read what the process prints until a line begins so."""
    said: list[str] = []
    assert process.stdout is not None
    async for line in process.stdout:
        said.append(line.decode(errors="replace").rstrip())
        if wanted.match(said[-1]):
            return
    raise EngineError("`voicebus up` ended early:\n" + "\n".join(said[-20:]))


async def _idle(caller: Caller, pids: tuple[int, ...]) -> float:
    silence = np.zeros(int((IDLE_S + 2 * _SETTLE_S) * RATE_HZ), np.int16)
    speaking = asyncio.create_task(caller.speak(silence))
    await asyncio.sleep(_SETTLE_S)
    begun_s, before_s = time.monotonic(), measure.cpu_seconds(pids)
    await asyncio.sleep(IDLE_S)
    used_s = measure.cpu_seconds(pids) - before_s
    ratio = used_s / (time.monotonic() - begun_s)
    await speaking
    return ratio


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            await process.communicate()
            return
    process.kill()
    await process.wait()
