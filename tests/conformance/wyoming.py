"""wyoming-openai in an environment of its own, and Home Assistant's end of the Wyoming protocol."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conformance.installing import alone
from voicebus import parts

_LOCK: Final = Path(__file__).with_name("wyoming.lock")
_ROOT: Final = Path(__file__).parents[2]
_INSTALL_LIMIT_S: Final = 300
_START_LIMIT_S: Final = 60
_WAIT_S: Final = 60
_CHUNK_SAMPLES: Final = 1024
RATE_HZ: Final = 16_000


def environment() -> Path:
    """Return a Python with wyoming-openai, installed once below ``build`` from its lock.

    It wants Python 3.12, which no package index has; where there is none the test is skipped.
    """
    folder = _ROOT / "build" / "wyoming"
    with alone(folder):
        return _installed(folder)


def _installed(folder: Path) -> Path:
    python = folder / "bin" / "python"
    stamp, lock = folder / "installed.lock", _LOCK.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == lock:
        return python
    base = _new_python()
    if base is None:
        pytest.skip("wyoming-openai needs Python 3.12 or newer, and there is none here")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([base, "-m", "venv", str(folder)], check=True, timeout=_INSTALL_LIMIT_S)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ["--only-binary=:all:", "--require-hashes", "--requirement", str(_LOCK)]
    subprocess.run([str(python), *install, *locked], check=True, timeout=_INSTALL_LIMIT_S)
    stamp.write_text(lock, encoding="utf-8")
    return python


def _new_python() -> str | None:
    """Find a Python that is new enough: on the path, or one of pyenv's."""
    for minor in (12, 13, 14):
        if (found := shutil.which(f"python3.{minor}")) is not None and _runs(found):
            return found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in (12, 13, 14):
        for python in sorted((root / "versions").glob(f"3.{minor}.*/bin/python")):
            if _runs(str(python)):
                return str(python)
    return None


def _runs(python: str) -> bool:
    """Whether it is a Python, and not pyenv's word that another version is chosen."""
    return (
        subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode
        == 0
    )


@contextmanager
def bridge(settings: Mapping[str, str], folder: Path) -> Iterator[int]:
    """Run wyoming-openai with these variables; the value is the port that it listens on."""
    port = parts.free_port()
    log = folder / "wyoming.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(environment()), "-m", "wyoming_openai"],
            env={**os.environ, **settings, "WYOMING_URI": f"tcp://127.0.0.1:{port}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + _START_LIMIT_S
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=15)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Assistant:
    """What Home Assistant does with a Wyoming service, used as a context manager.

    An event is a line of JSON, then its data, then its payload.
    Source: https://github.com/OHF-Voice/wyoming
    """

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def describe(self) -> dict[str, Any]:
        """Ask for what it offers."""
        await self._send("describe")
        return (await self._until("info"))[0]

    async def transcribe(self, samples: NDArray[np.int16], model: str) -> str:
        """Hand over a sentence and return its words."""
        heard = {"rate": RATE_HZ, "width": 2, "channels": 1}
        await self._send("transcribe", {"name": model, "language": "en"})
        await self._send("audio-start", heard)
        for at in range(0, len(samples), _CHUNK_SAMPLES):
            piece = samples[at : at + _CHUNK_SAMPLES].astype("<i2").tobytes()
            await self._send("audio-chunk", heard, piece)
        await self._send("audio-stop")
        return str((await self._until("transcript"))[0]["text"])

    async def synthesize(self, text: str, voice: str) -> tuple[int, bytes]:
        """Have a text spoken; returns the rate and the samples."""
        await self._send("synthesize", {"text": text, "voice": {"name": voice}})
        rate = int((await self._until("audio-start"))[0]["rate"])
        audio = bytearray()
        while True:
            kind, _, payload = await self._next()
            if kind == "audio-stop":
                return rate, bytes(audio)
            audio += payload

    async def synthesize_stream(self, pieces: Sequence[str], voice: str) -> tuple[int, bytes]:
        """Have a text spoken that comes piece by piece; returns the rate and the samples."""
        await self._send("synthesize-start", {"voice": {"name": voice}})
        for piece in pieces:
            await self._send("synthesize-chunk", {"text": piece})
        # Behind the pieces Home Assistant sends the whole text, for services that know no other.
        await self._send("synthesize", {"text": "".join(pieces), "voice": {"name": voice}})
        await self._send("synthesize-stop")
        rate, audio = 0, bytearray()
        while True:
            kind, data, payload = await self._next()
            assert kind != "error", data
            if kind == "synthesize-stopped":
                return rate, bytes(audio)
            rate = int(data["rate"]) if kind == "audio-start" else rate
            audio += payload

    async def _send(self, kind: str, data: Any = None, payload: bytes = b"") -> None:
        written = json.dumps(data or {}).encode()
        head: dict[str, Any] = {"type": kind, "version": "1.5.4", "data_length": len(written)}
        if payload:
            head["payload_length"] = len(payload)
        self._writer.write(json.dumps(head).encode() + b"\n" + written + payload)
        await self._writer.drain()

    async def _next(self) -> tuple[str, dict[str, Any], bytes]:
        async with asyncio.timeout(_WAIT_S):
            line = await self._reader.readline()
            assert line, "the service has closed the connection"
            head = json.loads(line)
            data = dict(head.get("data") or {})
            if length := head.get("data_length"):
                data |= json.loads(await self._reader.readexactly(length))
            payload = await self._reader.readexactly(head.get("payload_length") or 0)
        return head["type"], data, payload

    async def _until(self, kind: str) -> tuple[dict[str, Any], bytes]:
        while True:
            found, data, payload = await self._next()
            assert found != "error", data
            if found == kind:
                return data, payload
