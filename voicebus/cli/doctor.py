"""``voicebus doctor``: what is installed and running, and what to do about what is not."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from msgspec import Struct

from voicebus import environment, operator, parts, settings
from voicebus.errors import ConfigError
from voicebus.models import ModelStore, default_folder
from voicebus.supervisor import UpSettings

_EXTRAS: Final = {
    "faster-whisper": "stt-whisper",
    "onnxruntime": "stt-whisper",
    "openai": "llm",
    "xllamacpp": "llm-local",
    "piper-tts": "tts-piper",
    "av": "edge",
}
_STORE_GIB: Final = 3
_ANSWER_S: Final = 2.0


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Fields
        ok: Whether it is as it should be.
        what: What it is.
        advice: What to do, when it is not.
    """

    ok: bool
    what: str
    advice: str = ""


def add_parser(subparsers: Any) -> None:
    """Add ``doctor``."""
    parser = subparsers.add_parser(
        "doctor", help="say what is installed and running", description=__doc__
    )
    parser.add_argument("--port", type=int, default=8080, help="port that the edge will use")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``doctor``: exit code 0 when ``voicebus up`` would work."""
    healthy = True
    for finding in findings(args.port):
        healthy = healthy and finding.ok
        print(f"{'ok     ' if finding.ok else 'problem'}  {finding.what}")
        if not finding.ok:
            print(f"         -> {finding.advice}")
    return 0 if healthy else 1


def findings(port: int) -> Iterator[Finding]:
    """Look at everything that ``voicebus up`` needs."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(
        ok=sys.version_info >= (3, 11),
        what=f"Python {python}",
        advice="install Python 3.11 or newer",
    )
    yield _settings()
    yield from _packages()
    yield _nats_server()
    yield from _models()
    yield _disk()
    yield _port(port)
    yield asyncio.run(_bus())


def _settings() -> Finding:
    wrong = environment.problems(os.environ)
    return Finding(ok=not wrong, what="settings", advice="; ".join(wrong))


def _packages() -> Iterator[Finding]:
    for name, extra in _EXTRAS.items():
        try:
            yield Finding(ok=True, what=f"{name} {version(name)}")
        except PackageNotFoundError:
            advice = f"run `make setup`, or install the extra {extra}"
            yield Finding(ok=False, what=name, advice=advice)


def _nats_server() -> Finding:
    try:
        return Finding(ok=True, what=f"nats-server in {parts.nats_binary()}")
    except ConfigError as err:
        return Finding(ok=False, what="nats-server", advice=str(err))


def _models() -> Iterator[Finding]:
    store = ModelStore(default_folder(os.environ))
    up = settings.read(UpSettings, os.environ, "UP_")
    states = {entry.model.name: entry.state for entry in store.list()}
    for name in parts.needed_models(os.environ, up):
        state = states.get(name, "not in models.lock.toml")
        advice = f"run `voicebus models pull {name}` (voicebus up does it too)"
        yield Finding(ok=state == "complete", what=f"model {name}: {state}", advice=advice)


def _disk() -> Finding:
    folder = settings.read(UpSettings, os.environ, "UP_").folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_gib = shutil.disk_usage(existing).free / (1 << 30)
    advice = f"the bus keeps up to {_STORE_GIB} GiB: free some space or set VOICEBUS_UP_DATA_DIR"
    return Finding(
        ok=free_gib > _STORE_GIB, what=f"{free_gib:.1f} GiB free for {folder}", advice=advice
    )


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return Finding(
                ok=False,
                what=f"port {port} is in use",
                advice="if it is not voicebus: voicebus up --port N",
            )
    return Finding(ok=True, what=f"port {port} is free")


async def _bus() -> Finding:
    url = operator.bus_settings(os.environ, "monitor").shown_url
    host, _, port = url.split(",")[0].rpartition("/")[2].partition(":")
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection(host, int(port or 4222))
    except (OSError, TimeoutError, ValueError):
        # Not a problem: `voicebus up` brings its own.
        return Finding(ok=True, what=f"no bus runs at {url} (voicebus up starts one)")
    greeting = b""
    try:
        with suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_ANSWER_S):
                greeting = await reader.readline()
    finally:
        writer.close()
    if greeting.startswith(b"INFO "):
        return Finding(ok=True, what=f"a bus runs at {url}")
    advice = "set VOICEBUS_NATS_URL to the address of a NATS server, or unset it"
    return Finding(ok=False, what=f"something that is no bus runs at {url}", advice=advice)
