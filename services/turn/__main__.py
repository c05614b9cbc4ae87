"""``python -m services.turn``: one turn worker."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from services.turn.settings import SCOPE, TurnSettings
from services.turn.worker import converse
from voicebus import settings
from voicebus.process import run, serve_role
from voicebus.worker import Role


async def main(stop: asyncio.Event) -> None:
    """Lead conversations until ``stop``."""
    chosen = settings.read(TurnSettings, os.environ, SCOPE)
    role = Role(name="turn", slots=chosen.slots, engine="turn-taking")

    async def warm() -> None:
        """There is nothing to load."""

    await serve_role(role, partial(converse, settings=chosen), warm, stop)


if __name__ == "__main__":
    sys.exit(run("turn", main))
