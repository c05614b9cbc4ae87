"""What a container asks about itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from starlette.applications import Starlette

from voicebus import health
from voicebus.parts import free_port


def probed(*words: str) -> subprocess.CompletedProcess[str]:
    """Ask as a container's health check does."""
    return subprocess.run(
        [sys.executable, "-m", "voicebus.probe", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("bus", "page", "code", "said"),
    [
        (True, (), 0, '{"bus":true}'),
        (False, (), 1, '{"bus":false}'),
        (False, ("livez",), 0, "ok"),
        (True, ("nowhere",), 1, "Not Found"),
    ],
)
async def test_the_probe_says_what_the_process_says(
    bus: bool, page: tuple[str, ...], code: int, said: str
) -> None:
    """Ready or not, with the reason, which Docker keeps; or another page."""
    listener = health.bind("127.0.0.1", 0)
    port = str(listener.getsockname()[1])
    async with health.serve(Starlette(routes=health.routes(lambda: {"bus": bus})), listener):
        done = await asyncio.to_thread(probed, port, *page)

    assert (done.returncode, done.stdout.strip()) == (code, said)


def test_the_probe_knows_who_is_not_there() -> None:
    """Code 1, and a sentence."""
    done = probed(str(free_port()))

    assert done.returncode == 1
    assert done.stdout.startswith("nobody answers on port")
