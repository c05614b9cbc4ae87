"""The official npm client: installed from its lock, once, and run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.installing import alone

_SOURCES: Final = Path(__file__).with_name("node")
_ROOT: Final = Path(__file__).parents[2]
_INSTALL_LIMIT_S: Final = 240
_RUN_LIMIT_S: Final = 90
_UNREACHABLE: Final = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")
"""How npm says that it did not reach its registry."""


@dataclass(frozen=True)
class Node:
    """A folder with the client in it, and a Node.js that is new enough for it."""

    folder: Path
    program: str

    async def run(self, script: Path, *arguments: str, cwd: Path | None = None) -> str:
        """Run a script and return what it wrote; one that fails, fails the test."""
        # A module finds what it imports beside itself.
        copied = shutil.copy(script, self.folder)
        process = await asyncio.create_subprocess_exec(
            self.program,
            str(copied),
            *arguments,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_RUN_LIMIT_S):
                told, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, errors.decode()[-3000:]
        return told.decode()

    async def report(self, script: str, *arguments: str) -> Any:
        """Run one of our scripts and return the JSON that it wrote."""
        return json.loads(await self.run(_SOURCES / script, *arguments))


def installed() -> Node:
    """Install what the lock names below ``build``, if it is not there yet.

    The lock has Node.js itself, too: distributions have older ones than the client asks for.
    Where there is no npm the test is skipped, but in CI (``CI=true``), where that is a failure.
    Without a registry to install from it is skipped as well.
    """
    npm = shutil.which("npm")
    if npm is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("CI must test the npm client: there is no npm here")
        pytest.skip("there is no npm here")
    folder = _ROOT / "build" / "npm"
    with alone(folder):
        _install(npm, folder)
    # By its own path: not every npm that distributions have links it into .bin.
    (own, *_) = [*folder.glob("node_modules/node-linux-*/bin/node"), shutil.which("node") or "node"]
    return Node(folder, str(own))


def _install(npm: str, folder: Path) -> None:
    lock = (_SOURCES / "package-lock.json").read_text(encoding="utf-8")
    stamp = folder / "installed.json"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == lock:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_SOURCES / name, folder)
    argv = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--engine-strict=false"]
    done = subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_LIMIT_S, check=False
    )
    if done.returncode and any(sign in done.stderr for sign in _UNREACHABLE):
        pytest.skip(f"npm does not reach its registry: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    stamp.write_text(lock, encoding="utf-8")
