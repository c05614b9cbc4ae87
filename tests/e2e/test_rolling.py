"""``voicebus restart``, ``drain`` and ``top`` with everything that ``voicebus up`` runs."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator

import msgspec
import pytest

from subjects.streams import Limits, streams
from tests.e2e.test_up import VOICEBUS, Up, up
from tests.system import SYNTHETIC
from voicebus import parts
from voicebus.audio.wav import read_wav
from voicebus.caller import call
from voicebus.overview import Overview

pytestmark = pytest.mark.model

SAMPLE = parts.project_root() / "examples" / "samples" / "austen-amiable.wav"
WORKERS = ("stt", "turn", "llm", "tts")
PROCESSES = {
    "supervisor": "voicebus.failover",
    **{name: f"services.{name}" for name in WORKERS},
    "edge": "-m edge",
    "nats": "nats-server",
}
"""In the order in which they are replaced, and what is in their command lines."""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that runs with synthetic engines."""
    with up(tmp_path_factory.mktemp("up"), SYNTHETIC) as running:
        running.until_serving()
        yield running


def command(serving: Up, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside it, as a person does."""
    return subprocess.run(
        [VOICEBUS, *words],
        env=serving.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def overview(serving: Up) -> Overview:
    """Ask ``voicebus top``."""
    done = command(serving, "top", "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Overview)


def test_top_shows_everything(serving: Up) -> None:
    """Each process, each queue and each stream, to a user who may read no message."""
    found = overview(serving)
    table = command(serving, "top", "--once").stdout

    assert [row.role for row in found.workers] == [*WORKERS, "edge", "supervisor"]
    assert [row.role for row in found.queues] == ["stt", "turn", "llm", "tts", "tool"]
    assert [row.name for row in found.streams] == [stream.name for stream in streams(Limits())]
    assert all(row.worker in table for row in found.workers)


@pytest.mark.fault
async def test_a_rolling_restart_drops_no_session(serving: Up) -> None:
    """A conversation goes on while every process is replaced, the edge and the bus at last.

    The caller hears no error; a session that is dropped raises one.
    """
    _, recording = read_wav(SAMPLE)
    before = {name: serving.child(part) for name, part in PROCESSES.items()}
    async with call(f"ws://127.0.0.1:{serving.port}/ws") as caller:
        heard_all = [await caller.speak(recording)]
        restarting = asyncio.create_task(
            asyncio.to_thread(command, serving, "restart", "all"), name="restart"
        )
        while not restarting.done():
            heard_all.append(await caller.speak(recording))
        heard_all.append(await caller.speak(recording))
    done = restarting.result()
    after = {name: serving.child(part) for name, part in PROCESSES.items()}

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(PROCESSES)
    assert all(after.values())
    assert set(before.values()).isdisjoint(after.values())
    for heard in heard_all:
        assert heard.errors == ()
        assert heard.transcript
        assert heard.reply
        assert heard.audio


def test_a_part_that_does_not_exist_is_not_restarted(serving: Up) -> None:
    """The answer says which there are."""
    done = command(serving, "restart", "sst")

    assert done.returncode == 1
    assert "there are nats" in done.stdout


def test_a_drained_worker_ends_and_stays_away(serving: Up) -> None:
    """It was ended on purpose. The last test of this file: there is no voice afterwards."""
    (tts,) = (row.worker for row in overview(serving).workers if row.role == "tts")
    done = command(serving, "drain", tts, "--wait")
    unknown = command(serving, "drain", "nobody")
    serving.until(lambda: not serving.child("services.tts"), "it has ended")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "has ended" in done.stdout
    assert unknown.returncode == 1
    assert [row for row in overview(serving).workers if row.role == "tts"] == []
    assert not serving.child("services.tts")
