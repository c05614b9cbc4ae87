"""``voicebus auth``: the users of a bus, each with a key of its own.

The folder holds users.conf, for the server's configuration to include, and a seed for each user.
A seed goes to the machine of its process, which is told of it by VOICEBUS_NATS_NKEY_FILE. The
server reads users.conf anew on SIGHUP.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from voicebus import credentials, settings
from voicebus.settings import BusSettings


def add_parser(subparsers: Any) -> None:
    """Add ``auth``."""
    parser = subparsers.add_parser(
        "auth",
        help="make the users of a bus and their keys",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    init = _verb(verbs, "init", _init, "make a user for every role, and for each edge")
    init.add_argument(
        "--edge", action="append", default=[], help="name of an edge; may be repeated"
    )
    ensure = _verb(verbs, "ensure", _ensure, "make the users that are missing, of a new bus or not")
    ensure.add_argument("--edge", action="append", default=[], help="name of an edge")
    ensure.add_argument("--bridge", action="append", default=[], help="name of a bridge")
    add_edge = _verb(verbs, "add-edge", _add_edge, "make a user for one more edge")
    add_edge.add_argument("name", help="its name: VOICEBUS_EDGE_NAME")
    add_bridge = _verb(verbs, "add-bridge", _add_bridge, "make a user for a bridge to Telegram")
    add_bridge.add_argument("name", help="its name: VOICEBUS_TELEGRAM_NAME")
    rotate = _verb(verbs, "rotate", _rotate, "give a user a new key; the old one becomes invalid")
    rotate.add_argument("user", help="a role, or edge- or telegram- and a name")
    _verb(verbs, "refresh", _refresh, "write users.conf anew, after an upgrade")


def _verb(verbs: Any, name: str, run: Any, what: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=what)
    parser.add_argument("folder", type=Path, help="folder of the users")
    parser.set_defaults(run=run)
    return parser


def _init(args: argparse.Namespace) -> int:
    cell = settings.read(BusSettings, os.environ).cell
    roster = credentials.create(args.folder, cell, tuple(args.edge))
    for name in roster.users:
        print(credentials.seed_of(args.folder, name))
    print(f"include in the server's configuration: {credentials.config_of(args.folder)}")
    return 0


def _ensure(args: argparse.Namespace) -> int:
    cell = settings.read(BusSettings, os.environ).cell
    credentials.ensure(args.folder, cell, tuple(args.edge), tuple(args.bridge))
    print(f"{credentials.config_of(args.folder)} (the server reads it anew on SIGHUP)")
    return 0


def _add_edge(args: argparse.Namespace) -> int:
    credentials.add_edge(args.folder, args.name)
    _tell(args.folder, credentials.edge_user(args.name))
    return 0


def _add_bridge(args: argparse.Namespace) -> int:
    credentials.add_bridge(args.folder, args.name)
    _tell(args.folder, credentials.bridge_user(args.name))
    return 0


def _rotate(args: argparse.Namespace) -> int:
    credentials.rotate(args.folder, args.user)
    _tell(args.folder, args.user)
    return 0


def _refresh(args: argparse.Namespace) -> int:
    roster = credentials.read(args.folder)
    credentials.ensure(args.folder, roster.cell, ())
    print(f"{credentials.config_of(args.folder)} (the server reads it anew on SIGHUP)")
    return 0


def _tell(folder: Path, user: str) -> None:
    print(credentials.seed_of(folder, user))
    print(f"{credentials.config_of(folder)} has changed: the server reads it anew on SIGHUP")
