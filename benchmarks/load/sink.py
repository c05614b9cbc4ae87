"""``python -m benchmarks.load.sink ROLE FILE``: a worker that takes sessions and does nothing.

As an STT worker it listens to one session in ten and writes, for each frame of the swarm, when it
came and how long it took since it left: two 64-bit numbers, in nanoseconds.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from benchmarks.load import frames
from schemas.audio import AudioChunk
from schemas.session import SessionClosed
from voicebus.claim import Claim
from voicebus.process import run, serve_role
from voicebus.punctual import punctual
from voicebus.worker import Role

SLOTS: Final = 5_000
LISTENED: Final = 10
"""One session in so many is listened to."""

ROW: Final = struct.Struct("<qq")


async def swallow(claim: Claim, file: FileIO, taken: list[int]) -> None:
    """Hold a session until it closes."""
    taken[0] += 1
    measures = claim.role == "stt" and taken[0] % LISTENED == 1
    kinds = (AudioChunk, SessionClosed) if measures else (SessionClosed,)
    async with claim.listen(*kinds) as inbox:
        async for _, event in inbox:
            now_ns = time.perf_counter_ns()
            if isinstance(event, SessionClosed):
                return
            if isinstance(event, AudioChunk):
                file.write(ROW.pack(now_ns, now_ns - frames.stamp_of(event.pcm)))


async def _main(stop: asyncio.Event, role: str, path: Path) -> None:
    async def warm() -> None:
        """There is nothing to load."""

    with path.open("wb", buffering=0) as file:  # who measures reads it meanwhile
        work = partial(swallow, file=file, taken=[0])
        await serve_role(Role(name=role, slots=SLOTS, engine="sink"), work, warm, stop)


if __name__ == "__main__":
    role, path = sys.argv[1:]
    # What it takes to note a frame is not the edge's: it does not wait for what is measured.
    with punctual():
        sys.exit(run(role, lambda stop: _main(stop, role, Path(path))))
