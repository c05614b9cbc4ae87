"""``voicebus top``: what the system does now, in a table that renews itself."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from contextlib import suppress
from typing import Any, Final

import msgspec

from voicebus import operator
from voicebus.errors import BusError
from voicebus.overview import LISTEN_S, Observer, draw

_HOME_AND_CLEAR: Final = "\x1b[H\x1b[J"


def add_parser(subparsers: Any) -> None:
    """Add ``top``."""
    parser = subparsers.add_parser(
        "top", help="show workers, queues, sessions and streams, live", description=__doc__
    )
    parser.add_argument("--json", action="store_true", help="print everything once, as JSON")
    parser.add_argument("--once", action="store_true", help="print the table once")
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="seconds (1)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``top``."""
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_top(args))
    except BusError as error:
        print(f"voicebus top: {error}", file=sys.stderr)
        return 1
    return 0


async def _top(args: argparse.Namespace) -> None:
    async with operator.connected("monitor", "top") as bus:
        observer = Observer(bus)
        following = asyncio.create_task(observer.follow())
        try:
            await asyncio.sleep(LISTEN_S)
            await _show(observer, args)
        finally:
            following.cancel()


async def _show(observer: Observer, args: argparse.Namespace) -> None:
    if args.json:
        found = msgspec.json.encode(await observer.look())
        print(msgspec.json.format(found).decode())
        return
    while True:
        size = shutil.get_terminal_size()
        drawn = draw(await observer.look(), size.lines)
        if args.once or not sys.stdout.isatty():
            print(drawn)
            return
        fitting = "\n".join(line[: size.columns] for line in drawn.splitlines())
        print(f"{_HOME_AND_CLEAR}{fitting}", end="", flush=True)
        await asyncio.sleep(args.every)
