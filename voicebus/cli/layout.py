"""``voicebus layout``: make the streams of a bus that has users, or bring them up to date.

Without users every process does it. With them only the admin may: name its seed in
VOICEBUS_NATS_NKEY_FILE. Run it once for each cell, and again after an upgrade.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any, Final

from voicebus import metrics, operator
from voicebus.bus.layout import make_layout
from voicebus.errors import BusUnavailable, ConfigError, VoicebusError
from voicebus.settings import BusSettings

_WITHIN_S: Final = 60.0
_LOOK_S: Final = 0.1


def add_parser(subparsers: Any) -> None:
    """Add ``layout``."""
    parser = subparsers.add_parser(
        "layout", help="make the streams of a bus that has users", description=__doc__
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Run ``layout``."""
    try:
        asyncio.run(_make(operator.bus_settings(os.environ, "admin")))
    except ConfigError:
        raise
    except VoicebusError as err:
        print(f"voicebus layout: {err}", file=sys.stderr)
        return 1
    return 0


async def _make(settings: BusSettings) -> None:
    making = asyncio.ensure_future(make_layout(settings))
    refusing = asyncio.ensure_future(_refusal(metrics.refusals()))
    try:
        ends = (making, refusing)
        await asyncio.wait(ends, timeout=_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if making.done():
            making.result()
            print(f"streams and consumers of cell {settings.cell} are as they should be")
        elif refusing.done():
            raise BusUnavailable(
                "the bus lets this user make no streams: VOICEBUS_NATS_NKEY_FILE has to name the "
                "admin's seed"
            )
        else:
            unknown = ", or it does not know this user" if settings.nats_nkey_file else ""
            raise BusUnavailable(f"no bus answers at {settings.shown_url}{unknown}")
    finally:
        for task in (making, refusing):
            task.cancel()
        await asyncio.wait((making, refusing))


async def _refusal(known: float) -> None:
    """Return once the server has refused something: what was asked is never answered then."""
    while True:
        await asyncio.sleep(_LOOK_S)
        if metrics.refusals() > known:
            return
