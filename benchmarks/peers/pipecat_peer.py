"""Pipecat, installed and started with the same engines as ours."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.systems import Started, socket_url
from services.turn.settings import TurnSettings
from voicebus import parts
from voicebus.errors import ConfigError
from voicebus.models import ModelStore, default_folder
from voicebus.settings import PREFIX
from voicebus.supervisor import Part

_HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = _HERE / "requirements.txt"
_BOT: Final = _HERE / "pipecat_bot.py"
_INSTALL_S: Final = 900.0


class Variant(Struct, frozen=True, kw_only=True):
    """How the pipeline is set; None leaves a setting to Pipecat.

    Fields
        vad_start_s: Speech after which the caller speaks.
        vad_stop_s: Silence after which the turn model is asked.
        turn_stop_s: Silence that ends a turn whatever the turn model says.
        beam_size: Of Whisper's decoding; with one, texts come without times and second attempts.
    """

    vad_start_s: float | None = None
    vad_stop_s: float | None = None
    turn_stop_s: float | None = None
    beam_size: int | None = None

    def arguments(self) -> list[str]:
        """Return the arguments that say it."""
        chosen = {name: getattr(self, name) for name in self.__struct_fields__}
        return [
            word
            for name, value in chosen.items()
            if value is not None
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]


VARIANTS: Final[Mapping[str, Variant]] = {
    "pipecat_default": Variant(),
    # Three seconds of silence after what sounds unfinished are the default. One is the least with
    # which pauses of 800 ms are still survived; asking the model earlier than after 200 ms only
    # cuts more callers off.
    "pipecat_best": Variant(turn_stop_s=1.0, beam_size=1),
}


async def install() -> Path:
    """Make Pipecat's environment if it is not there yet; return its Python.

    Raises:
        ConfigError: It could not be made.
    """
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = parts.project_root() / "build" / "peers" / f"pipecat-{wanted}"
    python, done = folder / "bin" / "python", folder / "installed"
    if done.exists():
        return python
    print(f"installing Pipecat into {folder}", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    await _run(sys.executable, "-m", "venv", "--clear", str(folder))
    await _run(str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS))
    done.touch()
    return python


async def versions(python: Path) -> dict[str, str]:
    """Return the versions in Pipecat's environment that matter, each behind its name."""
    listed = await _run(str(python), "-m", "pip", "freeze")
    known = dict(line.split("==", 1) for line in listed.splitlines() if "==" in line)
    names = ("pipecat-ai", "faster-whisper", "ctranslate2", "onnxruntime", "piper-tts")
    return {f"peer {name}": known[name] for name in names if name in known}


async def start(
    started: Started, python: Path, variant: Variant, environ: Mapping[str, str]
) -> str:
    """Start a pipeline with our model files and our model server; return the address of its /ws."""
    store = ModelStore(default_folder(environ))
    port = parts.free_port()
    voice = environ.get(f"{PREFIX}TTS_VOICES", "en_US-joe-medium").split(",")[0].strip()
    arguments = {
        "--port": str(port),
        "--whisper": str(store.path(environ.get(f"{PREFIX}STT_MODEL", "whisper-base"))),
        "--voice": str(store.path(f"piper-{voice}") / f"{voice}.onnx"),
        "--llm-url": environ[f"{PREFIX}LLM_URL"],
        "--instructions": TurnSettings().instructions,
        "--max-tokens": environ[f"{PREFIX}LLM_MAX_TOKENS"],
    }
    spelt = [word for name, value in arguments.items() for word in (name, value)]
    part = Part(
        name="pipecat",
        argv=[str(python), str(_BOT), *spelt, *variant.arguments()],
        environment=_bare(environ),
        ready_url=f"http://127.0.0.1:{port}/readyz",
        shown_url=f"http://127.0.0.1:{port}",
    )
    await started.start(part)
    return socket_url(part)


def _bare(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no Python but its own is found."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in environ.items() if name not in hidden}


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=_bare(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_INSTALL_S):
            said, complaint = await process.communicate()
    except TimeoutError as err:
        process.kill()
        await process.wait()
        raise ConfigError(f"`{' '.join(command)}` took more than {_INSTALL_S:.0f} s") from err
    if process.returncode:
        last = complaint.decode(errors="replace").strip().splitlines()[-3:]
        raise ConfigError(f"`{' '.join(command)}` failed: " + "\n".join(last))
    return said.decode(errors="replace")
