"""``voicebus keys``: who may use the edge. Where there are keys, nobody comes in without one."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from voicebus.keys import Allowance, add_key, keys_file, new_key, read_keys, revoke_key

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHARES: Final = {
    "sessions": "sessions at once",
    "connections_per_min": "connections in a minute",
    "audio_s_per_min": "seconds of audio in a minute",
    "turns_per_min": "turns in a minute",
    "tokens_per_min": "tokens of replies in a minute",
}


def add_parser(subparsers: Any) -> None:
    """Add ``keys add|list|revoke``."""
    keys = subparsers.add_parser("keys", help="make and revoke the edge's API keys")
    keys.description = __doc__
    commands = keys.add_subparsers(metavar="COMMAND", required=True)
    add = commands.add_parser("add", help="make a key; it is shown once")
    add.add_argument("name", type=_name, metavar="NAME", help="whose key it is")
    for share, meaning in _SHARES.items():
        add.add_argument(
            f"--{share.replace('_', '-')}",
            type=_share,
            metavar="N",
            help=f"{meaning}; 0 for no limit (default: as the edge's settings say)",
        )
    add.set_defaults(run=run_add)
    listing = commands.add_parser("list", help="show every key by its name and id")
    listing.set_defaults(run=run_list)
    revoke = commands.add_parser("revoke", help="take a key back; its sessions end")
    revoke.add_argument("key", metavar="NAME|ID")
    revoke.set_defaults(run=run_revoke)
    for command in (add, listing, revoke):
        command.add_argument(
            "--file", type=Path, metavar="F", help="the keys (or VOICEBUS_EDGE_KEYS_FILE)"
        )


def run_add(args: argparse.Namespace) -> int:
    """Run ``voicebus keys add``: the key alone goes to standard output."""
    allowance = Allowance(**{share: getattr(args, share) for share in _SHARES})
    secret, stored = new_key(args.name, allowance)
    path = _path(args)
    add_key(path, stored)
    print(secret)
    print(
        f"Keep it: it is not stored and not shown again. Edges that read {path} know it now.",
        file=sys.stderr,
    )
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Run ``voicebus keys list``."""
    path = _path(args)
    if not path.exists():
        print(f"There are no keys in {path}.")
        return 0
    for key in read_keys(path):
        shares = msgspec.to_builtins(key.allowance)
        shown = " ".join(f"{name}={value}" for name, value in shares.items())
        state = f"revoked {key.revoked}" if key.revoked else "good"
        print(f"{key.id}  {key.name:<24} {key.created}  {state}  {shown}".rstrip())
    return 0


def run_revoke(args: argparse.Namespace) -> int:
    """Run ``voicebus keys revoke``."""
    key = revoke_key(_path(args), args.key)
    print(f"{key.id} of {key.name} is revoked.")
    return 0


def _path(args: argparse.Namespace) -> Path:
    return args.file or keys_file(os.environ)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("letters, digits, dots, - and _; 64 at most")
    return text


def _share(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("a whole number that is not negative")
    return int(text)
