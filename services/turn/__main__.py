"""``python -m services.turn``: one turn worker."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from services.turn.admission import Links
from services.turn.reach import Reach
from services.turn.settings import SCOPE, TurnSettings
from services.turn.worker import converse
from voicebus import settings
from voicebus.personas.library import library_in
from voicebus.process import run, serve_role
from voicebus.settings import BusSettings
from voicebus.worker import Role


async def main(stop: asyncio.Event) -> None:
    """Lead conversations until ``stop``."""
    chosen = settings.read(TurnSettings, os.environ, SCOPE)
    age_s = settings.read(BusSettings, os.environ).link_age_s
    links = Links(age_s, chosen.codes_per_min)
    library = library_in(chosen.personas_dir)
    reach = Reach()
    role = Role(name="turn", slots=chosen.slots, engine="turn-taking", joined=reach.follow)

    async def warm() -> None:
        """There is nothing to load."""

    lead = partial(converse, settings=chosen, links=links, library=library, reach=reach)
    try:
        await serve_role(role, lead, warm, stop)
    finally:
        await reach.close()


if __name__ == "__main__":
    sys.exit(run("turn", main))
