"""What a process has no more use for does not stay, though what it imported is never looked at."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
import sys
import weakref

import edge.app
from voicebus.process import run


class Session:
    def __init__(self):
        self.itself = self


def serve(times):
    for _ in range(times):  # each is one look at what is young
        [[] for _ in range(800)]


async def main(stop):
    sessions = [Session() for _ in range(1000)]
    serve(25)  # they grow old
    known = [weakref.ref(session) for session in sessions]
    del sessions
    serve(170)  # more than ten times ten: now the old are looked at, if it is time for that
    print(sum(session() is not None for session in known))


sys.exit(run("test", main))
"""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there the old are looked at in pieces")
def test_closed_sessions_do_not_wait_for_as_much_as_was_imported() -> None:
    """A thousand of them, that have grown old and know themselves."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout.split() == ["0"]
