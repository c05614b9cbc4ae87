"""docs/howto/operate.md, walked by somebody who does as the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.operate_page import PAGE, Look, Step, steps
from tests.e2e.operate_panels import Stages, is_so, until_so
from tests.e2e.test_up import Up, up
from tests.monitoring.prometheus import Prometheus, page_in, tool
from tests.system import SYNTHETIC
from voicebus.parts import free_port

pytestmark = [pytest.mark.operations, pytest.mark.model, pytest.mark.timeout(240)]

STEPS = steps()
PARTS = ("well", "slow", "killed", "dead", "waits", "full")
WELL_S = 90.0
LOOKS = ("voicebus top --once", "curl")
ANSWER_S = 20.0
"""Within what a command that looks at something has answered, and a panel shows it."""

CALLS = "voicebus load"
CALLED_S = 60.0
MENDED = "See that it is mended"
"""Some may still be turned away at first: they call again, as the page says."""

FOUND_S = 60.0
"""Within what the commands that find something have all ended: a minute, as the page says."""

FETCH = (
    "import sys, urllib.request as r; "
    "print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1]).read().decode())"
)
SETTINGS = {**SYNTHETIC, "STT_SLOTS": "4"}
"""Of the system: synthetic engines, and four places for callers."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The system that the page starts."""
    folder = tmp_path_factory.mktemp("operate")
    with up(folder, SETTINGS) as running:
        running.until_serving()
        yield running


@pytest.fixture(scope="module")
def prometheus(system: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus | None]:
    """One that watches the system; none on a machine that has none, but in CI."""
    if shutil.which("prometheus") is None and not os.environ.get("CI"):
        yield None
        return
    assert tool("prometheus")
    with Prometheus(tmp_path_factory.mktemp("prometheus"), page_in(system.output)) as running:
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
        fetch = "curl --silent"
        ours = {
            "voicebus load": f"voicebus load --url ws://127.0.0.1:{self._system.port}/ws",
            "voicebus doctor": f"voicebus doctor --port {free_port()}",
            "127.0.0.1:9464": page_in(self._system.output),
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
        ready = re.compile(rf"-{role}-1 .* ready")
        # People look, before they go on.
        command = "voicebus top --once"
        self.look(command, lambda printed: ready.search(printed) is not None, ANSWER_S)

    def have_run_meanwhile(self, text: str) -> None:
        """Run a command in a terminal of its own, which ends by itself."""
        self._meanwhile = self._begin(self.command(text))

    def look(self, text: str, is_shown: Callable[[str], bool], within_s: float) -> None:
        """Type a command again and again until it shows something; it answers in a given time."""
        until_s, is_there = time.monotonic() + WELL_S, False
        while not is_there:
            began_s = time.monotonic()
            done = self.type(text)
            told = f"{text}\n{done.stdout}{done.stderr}"
            assert time.monotonic() - began_s <= within_s, told
            is_there = is_shown(done.stdout)
            assert is_there or time.monotonic() < until_s, told

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


@pytest.fixture
def stages(system: Up, person: Operator) -> Stages:
    """What the edge's own page says from here on."""
    workers = json.loads(person.type("voicebus top --json").stdout)["workers"]
    return Stages(next(one["metrics"] for one in workers if one["role"] == "edge"))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_walk(
    part: str, person: Operator, prometheus: Prometheus | None, stages: Stages
) -> None:
    """It is broken, found within a minute and mended by the commands of the page.

    They show what it says: also that it is mended.
    """
    found_s = 0.0
    for step in STEPS:
        if step.part != part:
            continue
        began_s = time.monotonic()
        walk(step, person)
        if step.look is not None:
            look_at(step.look, prometheus, stages)
        if step.moment == "Find it" and step.does != "meanwhile":
            found_s += time.monotonic() - began_s
    assert found_s <= FOUND_S


def walk(step: Step, person: Operator) -> None:
    """Do what a step says at the keyboard."""
    if step.does == "background":
        person.leave_running(step.command)
    elif step.does == "meanwhile":
        person.have_run_meanwhile(step.command)
    elif step.does == "ends the background":
        assert person.end_background() == 0
    elif step.command.startswith(LOOKS):
        person.look(step.command, step.is_shown, ANSWER_S)
    elif step.part == "waits" and step.moment == MENDED and step.command.startswith(CALLS):
        person.look(step.command, step.is_shown, CALLED_S)
    elif step.command:
        began_s = time.monotonic()
        done = person.type(step.command)
        took_s = time.monotonic() - began_s
        told = f"{step.command}\n{done.stdout}\n{done.stderr}"
        assert step.is_shown(done.stdout), told
        is_void = "VOID" in done.stdout and done.returncode == 2
        assert done.returncode == step.exits or is_void, told
        if step.command.startswith("voicebus trace"):
            assert took_s <= ANSWER_S, told


def look_at(look: Look, prometheus: Prometheus | None, stages: Stages) -> None:
    """Look at a panel; at the edge's own page too, which is all that there may be."""
    if prometheus is not None:
        until_so(prometheus, look, ANSWER_S)
    if look.dashboard == "voicebus-turn":
        means_s = stages.means_s()
        assert is_so(look, means_s), means_s
