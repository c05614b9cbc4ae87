"""``voicebus worker ROLE``, ``edge``, ``bridge`` and ``supervise``: one process each."""

from __future__ import annotations

import runpy
from typing import Any, Final

from voicebus.errors import ConfigError
from voicebus.parts import ROLES

_EDGES: Final = {"web": "edge", "telephony": "edge.telephony"}


def add_parser(subparsers: Any) -> None:
    """Add ``worker``, ``edge``, ``bridge`` and ``supervise``."""
    worker = subparsers.add_parser("worker", help="run one worker", description=__doc__)
    worker.add_argument("role", choices=(*ROLES, "tool"))
    worker.set_defaults(run=lambda args: run_module(f"services.{args.role}"))
    edge = subparsers.add_parser("edge", help="run one edge", description=__doc__)
    edge.add_argument(
        "kind",
        nargs="?",
        choices=tuple(_EDGES),
        default="web",
        help="web for browsers and programs, telephony for exchanges (web)",
    )
    edge.set_defaults(run=lambda args: run_module(_EDGES[args.kind]))
    bridge = subparsers.add_parser("bridge", help="run one bridge", description=__doc__)
    bridge.add_argument("server", choices=("telegram",), help="to whose server")
    bridge.set_defaults(run=lambda args: run_module(f"bridges.{args.server}"))
    supervise = subparsers.add_parser(
        "supervise", help="hand on at once what workers held that die", description=__doc__
    )
    supervise.set_defaults(run=lambda _: run_module("voicebus.failover"))


def run_module(name: str) -> int:
    """Run a part in this process, by name: the core does not import the parts.

    Raises:
        ConfigError: A library that it needs is not installed.
    """
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return int(end.code or 0)
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"{name} needs {err.name}, which is not installed: see README, extras"
        ) from err
    return 0
