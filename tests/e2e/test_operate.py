"""docs/howto/operate.md, walked by somebody who does as the page says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.test_up import Up, up
from tests.system import SYNTHETIC
from voicebus.parts import free_port, project_root

pytestmark = [pytest.mark.operations, pytest.mark.model, pytest.mark.timeout(240)]

PAGE = project_root() / "docs" / "howto" / "operate.md"
STEP = re.compile(r"^<!-- step: (\w+), (.+) -->\n(?:\n    (.+)\n)?", re.MULTILINE)
PARTS = ("well", "slow", "killed", "dead", "waits", "full")
WELL_S = 90.0
FETCH = (
    "import sys, urllib.request as r; "
    "print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1]).read().decode())"
)
SETTINGS = {**SYNTHETIC, "STT_SLOTS": "4"}
"""Of the system: synthetic engines, and four places for callers."""


@dataclass(frozen=True)
class Step:
    """A command of the page, and what it is to show."""

    part: str
    does: str
    command: str

    @property
    def shows(self) -> str:
        """The pattern that is found in what it prints; empty for none."""
        return self.does.removeprefix("shows: ").partition(", exits")[0]

    @property
    def exits(self) -> int:
        """The exit code; a load that was void on a slow machine is as good."""
        return int(self.does.rpartition("exits: ")[2]) if "exits: " in self.does else 0


STEPS = [Step(*found) for found in STEP.findall(PAGE.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The system that the page starts."""
    folder = tmp_path_factory.mktemp("operate")
    with up(folder, SETTINGS) as running:
        running.until_serving()
        yield running


class Operator:
    """Types the commands of the page, in terminals that know nothing of the system's settings."""

    def __init__(self, system: Up) -> None:
        self._system = system
        self._background: subprocess.Popen[bytes] | None = None
        self._meanwhile: subprocess.Popen[bytes] | None = None
        beside = str(Path(sys.executable).parent)
        own = {f"VOICEBUS_{name}" for name in SETTINGS}
        known = {name: text for name, text in system.environ.items() if name not in own}
        self._environ = {**known, "PATH": f"{beside}:{os.environ['PATH']}"}

    def command(self, text: str) -> str:
        """The command as it stands on the page, with the addresses of this system."""
        page = re.search(r"^up +ready .* http://(\S+)/metrics$", self._system.output, re.MULTILINE)
        assert page is not None, self._system.output
        fetch = "curl --silent"
        ours = {
            "voicebus load": f"voicebus load --url ws://127.0.0.1:{self._system.port}/ws",
            "voicebus doctor": f"voicebus doctor --port {free_port()}",
            "127.0.0.1:9464": page[1],
            # There may be others on this machine.
            "$(pgrep -n -f services.llm)": str(self._system.child("services.llm")),
            fetch: f"{fetch} --noproxy '*'" if shutil.which("curl") else f"python3 -c '{FETCH}'",
        }
        for theirs, own in ours.items():
            text = text.replace(theirs, own)
        return text

    def type(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.command(text)],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def leave_running(self, text: str) -> None:
        """Run a command in a terminal of its own."""
        self._background = self._begin(text)
        role = text.rpartition(" ")[2].partition("=")[0]
        self.look("voicebus top --once", rf"-{role}-1 .* ready")  # people do, before they go on

    def have_run_meanwhile(self, text: str) -> None:
        """Run a command in a terminal of its own, which ends by itself."""
        self._meanwhile = self._begin(self.command(text))

    def look(self, text: str, for_what: str) -> None:
        """Type a command again and again until it shows something."""
        until = time.monotonic() + WELL_S
        while not re.search(for_what, (done := self.type(text)).stdout, re.MULTILINE):
            assert time.monotonic() < until, f"{for_what} is not in {done.stdout}{done.stderr}"

    def _begin(self, text: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", f"exec env {text}"],
            env=self._environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def end_background(self) -> int:
        """Press Ctrl-C in that terminal."""
        if self._background is None:
            return 0
        self._background.send_signal(signal.SIGINT)
        running, self._background = self._background, None
        return running.wait(60)

    def end_all(self) -> None:
        """Wait for what ends by itself, and end the rest."""
        self.end_background()
        if self._meanwhile is not None:
            self._meanwhile.wait(WELL_S)


@pytest.fixture
def person(system: Up) -> Iterator[Operator]:
    """Somebody at a terminal; what they leave running is ended."""
    operator = Operator(system)
    yield operator
    operator.end_all()


def test_every_command_of_the_page_is_a_step() -> None:
    """But for the one that starts the system, as the fixture does; none is left out by a slip."""
    page = PAGE.read_text(encoding="utf-8")
    commands = re.findall(r"^    (.+)$", page, re.MULTILINE)

    (start,) = [command for command in commands if command.endswith(" voicebus up")]
    commands.remove(start)
    assert [step.command for step in STEPS if step.command] == commands
    assert {step.part for step in STEPS} == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_walk(part: str, person: Operator) -> None:
    """It is broken, found and mended by the commands of the page, which show what it says."""
    for step in STEPS:
        if step.part != part:
            continue
        if step.does == "background":
            person.leave_running(step.command)
        elif step.does == "meanwhile":
            person.have_run_meanwhile(step.command)
        elif step.does == "ends the background":
            assert person.end_background() == 0
        elif step.command == "voicebus top --once":
            person.look(step.command, step.shows)
        else:
            done = person.type(step.command)
            told = f"{step.command}\n{done.stdout}\n{done.stderr}"
            assert re.search(step.shows, done.stdout, re.MULTILINE), told
            is_void = "VOID" in done.stdout and done.returncode == 2
            assert done.returncode == step.exits or is_void, told
