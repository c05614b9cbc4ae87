"""The one command of continuous integration, on a machine where everything is pretended."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.test_house_rules import ROOT

PROGRAMS = {
    "npm": "nodejs npm",
    "systemd-analyze": "systemd",
    "chromium": "chromium",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "wget": "wget",
}
"""What tests need beside Python, and Debian's packages of it."""


def what_it_does(folder: Path, *, user: int, there: tuple[str, ...] = ()) -> list[str]:
    """Run it with programs that only write down how they are called."""
    folder.mkdir()
    told = folder / "told"
    said = {"id": f"echo {user}", "make": f'echo "make $* CI=$CI" >> {told}'}
    said["apt-get"] = f'echo "apt-get $*" >> {told}'
    for name in ("dirname", "env", "bash"):
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, script in {**said, **dict.fromkeys(there, "")}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    subprocess.run([str(ROOT / ".ci" / "run")], env={"PATH": str(folder)}, check=True, timeout=60)
    return told.read_text().splitlines()


def test_a_missing_program_fails_the_tests_that_need_it(tmp_path: Path) -> None:
    """Each target knows that it runs in CI, where skipping is no success."""
    for user, there in ((0, ()), (1000, ()), (0, tuple(PROGRAMS))):
        did = what_it_does(tmp_path / f"{user}-{len(there)}", user=user, there=there)
        targets = [line for line in did if line.startswith("make")]

        assert len(targets) > 3
        assert [line for line in targets if not line.endswith(" CI=true")] == []


def test_what_is_missing_is_installed(tmp_path: Path) -> None:
    """All that tests need, where it may; and nothing that is there."""

    def installed(did: list[str]) -> list[str]:
        wanted = (line for line in did if line.startswith("apt-get install"))
        return [line.partition("recommends ")[2] for line in wanted]

    everything = tuple(PROGRAMS)
    assert installed(what_it_does(tmp_path / "bare", user=0)) == list(PROGRAMS.values())
    assert installed(what_it_does(tmp_path / "full", user=0, there=everything)) == []
    assert installed(what_it_does(tmp_path / "user", user=1000)) == []
