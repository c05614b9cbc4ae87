"""``make engines-test``: what it runs, and what it does where vLLM cannot be installed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from voicebus.parts import project_root

ENGINES = ("stt", "tts", "llm")


def make(*arguments: str) -> str:
    """What make says."""
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def python_in(folder: Path, script: str) -> Path:
    """A Python that does no more than this."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\necho tried >> {folder}/tries\n{script}\n")
    python.chmod(0o755)
    return python


def installed(folder: Path, script: str) -> str:
    """What is said where vLLM is installed with such a Python."""
    python = python_in(folder, script)
    stamp = folder / "vllm" / "vllm.stamp"
    return make(f"VLLM={folder}/vllm", f"BIN={folder}", f"PYTHON={python}", str(stamp))


def test_every_engine_is_run() -> None:
    """Those of large environments and those that everybody has, each in its own."""
    commands = [line for line in make("-n", "engines-test").splitlines() if " -m pytest " in line]
    heavy, vllm, light = commands

    named = [path for line in commands for path in re.findall(r"tests/\S+", line)]
    assert all((project_root() / path).exists() for path in named)
    assert '-m "engines and not slow"' in heavy
    assert '-m "engines and not slow"' in vllm
    assert '-m "not (engines or slow)"' in light
    for stage in ENGINES:
        assert f"tests/services/{stage}/test_engines.py" in light
    assert "tests/e2e/test_providers.py" in light


def test_an_installation_that_failed_is_tried_again(tmp_path: Path) -> None:
    """A network that was away once is no reason to leave vLLM out for good; nor to stop."""
    tries, stamp = tmp_path / "tries", tmp_path / "vllm" / "vllm.stamp"

    for number in (1, 2):
        assert "could not be installed" in installed(tmp_path, "exit 1")
        assert len(tries.read_text().splitlines()) == number
        assert not stamp.exists()


def test_an_installation_is_made_once(tmp_path: Path) -> None:
    """The stamp says that it is there."""
    fake = f"mkdir -p {tmp_path}/vllm/bin; ln -sf /bin/true {tmp_path}/vllm/bin/python"

    assert "could not" not in installed(tmp_path, fake)
    installed(tmp_path, fake)
    assert len((tmp_path / "tries").read_text().splitlines()) == 1
