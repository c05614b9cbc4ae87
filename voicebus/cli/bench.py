"""``voicebus bench NAME``: measure the system; what is measured lives in benchmarks/."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any, Final

from voicebus.errors import ConfigError

_BENCHMARKS: Final = (
    "latency",
    "conversation",
    "stt",
    "endpointing",
    "engines",
    "scale",
    "capacity",
    "autoscale",
    "failover",
    "rolling",
    "soak",
    "openai",
    "telegram",
    "telephony",
    "widget",
    "observing",
    "faq",
    "providers",
)


def add_parser(subparsers: Any) -> None:
    """Add ``bench``, whose arguments are the benchmark's own."""
    parser = subparsers.add_parser("bench", help="measure the system", description=__doc__)
    parser.add_argument("name", choices=_BENCHMARKS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the benchmark")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run a benchmark.

    Raises:
        ConfigError: This installation has no benchmarks.
    """
    try:
        module = import_module(f"benchmarks.{args.name}")
    except ModuleNotFoundError as err:
        raise ConfigError(f"the benchmark cannot be loaded: {err}") from err
    return int(module.main(args.rest))
