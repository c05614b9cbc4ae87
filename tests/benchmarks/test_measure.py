from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks import measure

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
data = bytearray(64_000_000)
sum(i * i for i in range(3_000_000))
print("worked", flush=True)
input()
"""


@pytest.fixture
def parent() -> Iterator[tuple[int, int]]:
    """Pids of a process that has worked and holds 64 MB, and of its child."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.stdout.readline()
        yield process.pid, child
        process.kill()


def test_a_family_is_a_process_and_its_descendants(parent: tuple[int, int]) -> None:
    """Children count, others do not."""
    assert measure.family(parent[0]) == parent
    assert os.getpid() not in measure.family(parent[0])


def test_processor_time_and_memory_are_of_these_processes(parent: tuple[int, int]) -> None:
    """A process that has computed and allocated shows both; an idle one uses no more time."""
    used_s = measure.cpu_seconds(parent)
    time.sleep(0.2)

    assert used_s > 0.05
    assert measure.cpu_seconds(parent) - used_s <= 0.02
    assert 64 < measure.memory_mb(parent) < 200


def test_a_process_that_has_ended_counts_as_nothing() -> None:
    """Between listing and reading, processes end."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    assert measure.cpu_seconds((gone.pid,)) == 0
    assert measure.memory_mb((gone.pid,)) == 0


def test_a_run_names_machine_and_versions() -> None:
    """A figure without them cannot be compared with another."""
    assert {"cores", "cpu", "python"} <= measure.machine().keys()
    assert {"voicebus", "nats-server", "nats-py"} <= measure.versions().keys()
    assert measure.versions()["nats-server"][0].isdigit()
