"""The RUN lines of the Dockerfile: executed here, or it is said why not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.deploy.images import steps
from tests.deploy.stage import ROOT

EXECUTED: Final = (
    r"/build/bin/python -c 'import hatchling",
    r"python -m compileall",
    r"python -m venv --without-pip \.venv$",
    r"pip --python \.venv/bin/python install --no-deps --no-index",
)
NOT_EXECUTED: Final = {
    r"python -m venv /build$": "the tools of the build; those of the tests stand in",
    r"/build/bin/pip install": "fetches them; test_images.py compares their lock with the tests'",
    r"pip --python \.venv/bin/python install --only-binary=:all: .*--require-hashes": (
        "test_locks.py installs the same locks with the same options, but those of its NOT_TRIED"
    ),
    r"useradd|install -d": "a user, and folders of its own: needs root, and changes the machine",
    r"apt-get|rm -rf /var/lib/apt": "Debian's packages: needs root, and changes the machine",
}


def test_every_step_is_executed_or_has_a_reason() -> None:
    """And nothing is left of one that is no more."""
    patterns = (*EXECUTED, *NOT_EXECUTED)
    found = {step: [p for p in patterns if re.match(p, step)] for step in steps()}

    assert {step: by for step, by in found.items() if len(by) != 1} == {}
    assert {pattern for by in found.values() for pattern in by} == set(patterns)


def test_what_is_sent_to_the_build_is_enough_for_it(tmp_path: Path) -> None:
    """With the files that .dockerignore lets through, and no others: the project is compiled, and
    an environment that takes the wheel has its command and finds it.
    """
    project = sent(tmp_path / "voicebus")
    wheels = tmp_path / "wheels"
    done = dict.fromkeys(EXECUTED, 0)
    for step in steps():
        for pattern in (pattern for pattern in EXECUTED if re.match(pattern, step)):
            words = re.sub(r"^(?:/build/bin/)?python\b", sys.executable, step)
            words = re.sub(r"^pip\b", f"{sys.executable} -m pip", words)
            words = words.replace("/wheels", str(wheels))
            subprocess.run(["sh", "-c", words], cwd=project, check=True, timeout=100)
            done[pattern] += 1

    assert set(done.values()) == {1}
    assert len(list(wheels.iterdir())) == 1
    assert list((project / "services").rglob("*.pyc"))
    assert (project / ".venv" / "bin" / "voicebus").exists()
    told = subprocess.run(
        [project / ".venv" / "bin" / "python", "-c", "import voicebus; print(voicebus.__file__)"],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == str(project / "voicebus" / "__init__.py")


def sent(folder: Path) -> Path:
    """Copy what is sent to the build; return the folder."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in (line[1:] for line in lines if line.startswith("!")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    return folder
