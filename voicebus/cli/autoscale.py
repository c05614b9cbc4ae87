"""``voicebus autoscale ROLE=LEAST:MOST …``: as many workers on this machine as the demand takes."""

from __future__ import annotations

import argparse
from typing import Any

from voicebus import autoscale, process


def add_parser(subparsers: Any) -> None:
    """Add ``autoscale``."""
    parser = subparsers.add_parser(
        "autoscale",
        help="run as many workers as the demand takes",
        description="Run workers on this machine, as many of each role as the demand takes: at "
        "once more when callers come, and fewer, drained, some minutes after they have gone. A "
        "supervisor tells the demand: `voicebus up` and `voicebus supervise` are one.",
    )
    parser.add_argument(
        "roles", nargs="+", metavar="ROLE=LEAST:MOST", help="between how many, such as stt=1:4"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``autoscale``."""
    wanted = [autoscale.bounds_of(text) for text in args.roles]
    return process.run("autoscale", lambda stop: autoscale.main(stop, wanted))
