"""``python -m tests.toy_worker URL CELL NAME``: a worker in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from schemas.llm import TokenDelta
from tests.workers import worker_in
from voicebus.claim import Claim
from voicebus.worker import Role

ROLE: Final = "llm"
PER_OWNER: Final = 10_000


async def _work(claim: Claim) -> None:
    """Publish a numbered word now and then, for ever; the next owner counts on from far behind."""
    number = (claim.attempt - 1) * PER_OWNER
    while True:
        await claim.publish(
            TokenDelta(
                turn=claim.request.turn,
                revision=claim.request.revision,
                seq=number,
                text=f"{number} ",
            )
        )
        number += 1
        await asyncio.sleep(0.1)


async def _main(url: str, cell: str, name: str) -> None:
    role = Role(name=ROLE, slots=8, engine="toy", worker=name)
    async with worker_in(url, cell, role, _work):
        print("ready", flush=True)  # noqa: T201 - to the test that started it
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


@contextmanager
def toy_worker(url: str, cell: str, name: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker while the context lasts; it is ready at the beginning."""
    argv = [sys.executable, "-m", "tests.toy_worker", url, cell, name]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
