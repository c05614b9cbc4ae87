"""Other people's checkers, in an environment of their own, installed once below ``build``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.conformance.installing import alone
from tests.deploy.stage import ROOT

_LOCK: Final = Path(__file__).with_name("tools.lock")
_LIMIT_S: Final = 300


def tool(name: str) -> str:
    """Return the path of a program of tools.lock: ``hadolint``, ``python`` with Helm in it …"""
    folder = ROOT / "build" / "deploy-tools"
    with alone(folder):
        stamp, lock = folder / "installed.lock", _LOCK.read_text(encoding="utf-8")
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != lock:
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=_LIMIT_S)
            python = str(folder / "bin" / "python")
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            locked = ["--only-binary=:all:", "--require-hashes", "--requirement", str(_LOCK)]
            subprocess.run([python, *install, *locked], check=True, timeout=_LIMIT_S)
            stamp.write_text(lock, encoding="utf-8")
    return str(folder / "bin" / name)
