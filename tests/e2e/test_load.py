"""``voicebus load``: callers by the dozen, and a report."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.edge_script import Line, edge, tone
from tests.system import System
from voicebus.load.callers import Callers, Load
from voicebus.load.profile import PROFILES
from voicebus.load.tally import Report

pytestmark = pytest.mark.model

VOICEBUS = str(Path(sys.executable).with_name("voicebus"))
STAGES = {"hold", "stt", "llm", "tts", "edge"}


def load(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    return subprocess.run(
        [VOICEBUS, "load", *words], capture_output=True, text=True, check=False, timeout=110
    )


def test_callers_talk_and_are_reported(synthetic_system: System) -> None:
    """Percentiles of each stage, errors by their code, and how late the callers were themselves.

    On a slow machine the callers may be late: the run is void then, and says so.
    """
    done = load(
        "--sessions", "4", "--for", "5", "--ramp", "0", "--url", synthetic_system.ws, "--json"
    )

    report = msgspec.json.decode(done.stdout, type=Report)
    assert done.returncode == (2 if report.void else 0), done.stdout
    assert (report.sessions, report.opened, report.errors) == (4, 4, {})
    assert report.turns >= 4
    assert set(report.stages) == STAGES
    assert 0 < report.response.p50_ms <= report.response.p95_ms <= report.response.max_ms
    assert report.send_lag.count >= report.turns
    assert report.synthetic


def test_a_person_reads_a_table(synthetic_system: System) -> None:
    """Each stage has a line; sessions of one question are opened again and again."""
    words = ("--sessions", "2", "--for", "5", "--ramp", "0", "--profile", "churn")
    done = load(*words, "--url", synthetic_system.ws)

    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines if line.strip()} >= {"response", *STAGES, "errors"}
    assert "errors     none" in lines
    opened = int(next(line for line in lines if "sessions opened" in line).split()[0])
    assert opened > 2


def test_the_silent_are_held_and_cost_no_turn(synthetic_system: System) -> None:
    """The profile of people who have a page open and say nothing."""
    words = ("--sessions", "3", "--for", "1.5", "--ramp", "0.5", "--profile", "idle")
    done = load(*words, "--url", synthetic_system.ws, "--json")

    report = msgspec.json.decode(done.stdout, type=Report)
    assert (report.opened, report.turns, report.errors) == (3, 0, {})
    assert done.returncode == (2 if report.void else 0)


def test_a_system_that_is_not_there_is_an_error_by_its_code() -> None:
    """It is tried until the time is over, and no longer."""
    words = ("--sessions", "2", "--for", "1", "--url", "ws://127.0.0.1:9/ws", "--json")
    done = load(*words)

    report = msgspec.json.decode(done.stdout, type=Report)
    assert done.returncode == 1
    assert set(report.errors) == {"bus_unavailable"}


@pytest.mark.parametrize(
    "words",
    [
        ("--sessions", "0", "--for", "5"),
        ("--sessions", "100000", "--for", "5"),
        ("--sessions", "2", "--for", "100000"),
        ("--sessions", "2", "--for", "5", "--ramp", "5"),
        ("--sessions", "2", "--for", "5", "--recordings", "/nowhere"),
    ],
)
def test_a_load_is_bounded(words: tuple[str, ...]) -> None:
    """More than one process can do, or for longer than an hour, is refused before it begins."""
    done = load(*words)

    assert done.returncode == 2
    assert done.stderr.startswith("voicebus: ")


async def test_it_ends_although_the_system_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that is never answered is cut off soon after the time is over, and counted."""
    monkeypatch.setattr("voicebus.load.callers.GRACE_S", 0.5)

    async def hear(line: Line) -> None:
        await line.open()
        await line.until(lambda: len(line.audio) > 3200)
        await line.say("speech_started", utterance=1, at_ms=0)
        await asyncio.sleep(60)

    async with edge(hear) as running:
        asked = Load(
            url=running.url,
            sessions=2,
            seconds=1.0,
            ramp_s=0.1,
            profile=PROFILES["talk"],
            recordings=(tone(0.3, 16_000),),
        )
        callers = Callers(asked)
        async with asyncio.timeout(20):
            await callers.run()

    assert callers.tally.unfinished == 2
    assert callers.tally.open == 0
