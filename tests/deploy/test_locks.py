"""What an image installs is enough for what it runs; takes minutes, and a package index.

The two that all others and all callers stand on are tried with the deployments.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.images import DOCKERFILE, shipped
from tests.deploy.stage import ROOT

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]

MODULES = {
    "core": (
        *("services.turn.__main__", "voicebus.failover.__main__", "voicebus.cli.main"),
        *("voicebus.personas.front_matter", "voicebus.personas.faq", "voicebus.tracing.otlp"),
    ),
    "edge": ("edge.__main__", "edge.telephony.__main__"),
    "stt-whisper": ("services.stt.__main__", "services.stt.engines.faster_whisper", "onnx"),
    "stt-vosk": ("services.stt.__main__", "services.stt.engines.vosk", "onnx"),
    "llm": ("services.llm.__main__", "services.llm.engines.openai"),
    "llm-local": ("services.llm.llama_server",),
    "tools": ("services.tool.__main__",),
    "tts-piper": ("services.tts.__main__", "services.tts.engines.piper", "onnx"),
    "telegram": ("bridges.telegram.__main__",),
}
OFTEN = ("core", "edge")
SOURCES = {"stt-vosk": ("--no-binary=srt",)}
NOT_TRIED = {
    "nats": "has no packages",
    "stt-cuda": "needs a graphics card",
    "tts-xtts": "takes gigabytes; `make engines-test` has what it has",
}


def test_every_image_is_tried() -> None:
    """But those that cannot be."""
    assert set(MODULES) | set(NOT_TRIED) == set(shipped())
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert "core.lock" in text
    assert all(option in text for options in SOURCES.values() for option in options)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.operations if name in OFTEN else pytest.mark.slow)
        for name in MODULES
    ],
)
def test_an_image_has_what_it_needs(name: str, tmp_path: Path) -> None:
    """The core's lock and its own, installed alone, import what it runs."""
    python = tmp_path / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
    locked = ["--only-binary=:all:", *SOURCES.get(name, ()), "--require-hashes"]
    for lock in dict.fromkeys(("core", name)):
        locked += ["--requirement", str(ROOT / "requirements" / "images" / f"{lock}.lock")]
    subprocess.run([sys.executable, *install, *locked], check=True, timeout=300)

    done = subprocess.run(
        [python, "-c", "".join(f"import {module}\n" for module in MODULES[name])],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert done.returncode == 0, done.stderr
