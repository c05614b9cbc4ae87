"""What the kernel says about processes and this machine (Linux, /proc)."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from voicebus.parts import nats_binary

_PROC: Final = Path("/proc")
_CPUCLOCK_SCHED: Final = 2
"""Of Linux, include/linux/posix-timers.h: what the scheduler has given, in nanoseconds."""
_LIBRARIES: Final = (
    "voicebus",
    "nats-py",
    "faster-whisper",
    "ctranslate2",
    "onnxruntime",
    "xllamacpp",
    "piper-tts",
    "uvicorn",
    "websockets",
    "uvloop",
)


def family(root: int) -> tuple[int, ...]:
    """Return the process ``root`` and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return tuple(found)


def cpu_seconds(pids: tuple[int, ...]) -> float:
    """Return the CPU time that processes have used so far; those that ended count as nothing.

    To the nanosecond, by the clock that Linux keeps of each process: /proc/PID/stat counts in
    hundredths of a second, which is much of what a process takes in a short run.
    """
    used_s = 0.0
    for pid in pids:
        with suppress(OSError):
            used_s += time.clock_gettime(_clock_of(pid))
    return used_s


def _clock_of(pid: int) -> int:
    """Return the clock of a process's CPU time, as clock_getcpuclockid(3) does."""
    return (~pid << 3) | _CPUCLOCK_SCHED


def memory_mb(pids: tuple[int, ...]) -> float:
    """Return the proportional set size of processes in MB: a shared page counts once for all."""
    kilobytes = 0
    for pid in pids:
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024 / 1e6


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    info = (_PROC / "cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "cpu": names[0] if names else platform.machine(),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what was measured."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    said = subprocess.run([nats_binary(), "--version"], capture_output=True, text=True, check=True)
    return {**found, "nats-server": said.stdout.strip().removeprefix("nats-server: v")}


def steal_ticks() -> tuple[int, int]:
    """Return (ticks that the hypervisor gave to others, all ticks) since boot."""
    first = (_PROC / "stat").read_text().splitlines()[0].split()[1:]
    ticks = [int(field) for field in first]
    return ticks[7], sum(ticks[:8])


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat behind the name; none if it has ended.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    # The name may hold spaces and brackets.
    return text.rpartition(")")[2].split()
