"""``voicebus config``: what the environment says to the processes, and what is wrong with it.

Settings are environment variables: docs/reference/settings.md has all of them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from voicebus import environment, known
from voicebus.env_file import read_env_file
from voicebus.errors import ConfigError
from voicebus.settings import PREFIX


def add_parser(subparsers: Any) -> None:
    """Add ``config check|show``."""
    config = subparsers.add_parser("config", help="check and show the settings")
    config.description = __doc__
    commands = config.add_subparsers(metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="say all that is wrong; exit code 1 if anything is")
    check.set_defaults(run=run_check)
    show = commands.add_parser("show", help="show what is in force, without secrets")
    show.add_argument("--given", action="store_true", help="only what the environment says")
    show.set_defaults(run=run_show)
    for command in (check, show):
        command.add_argument(
            "process",
            nargs="?",
            choices=known.PROCESSES,
            metavar="PROCESS",
            help=f"as this one reads them: {', '.join(known.PROCESSES)} (default: all)",
        )
        command.add_argument(
            "--env-file",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="read this file, too, on top of the environment; may be repeated",
        )


def run_check(args: argparse.Namespace) -> int:
    """Run ``voicebus config check``: 0 when the processes would start with it."""
    try:
        environ = _environment(args.env_file)
    except ConfigError as err:
        print(f"problem  {err}")
        return 1
    found = environment.problems(environ, args.process or "")
    for problem in found:
        print(f"problem  {problem}")
    if not found:
        given = sum(name.startswith(PREFIX) for name in environ)
        print(f"ok       {given} settings are given, and fit; the others have their defaults")
    return 1 if found else 0


def run_show(args: argparse.Namespace) -> int:
    """Run ``voicebus config show``: lines for a file of settings, defaults as comments."""
    for setting in environment.in_force(_environment(args.env_file), args.process or ""):
        if setting.is_given or not args.given:
            print(f"{'' if setting.is_given else '#'}{setting.name}={_quoted(setting.value)}")
    return 0


def _environment(files: list[Path]) -> dict[str, str]:
    environ = dict(os.environ)
    for file in files:
        environ |= read_env_file(file)
    return environ


def _quoted(value: str) -> str:
    if not any(character in value for character in " #\"'\\$"):
        return value
    return f"'{value}'" if "'" not in value else f'"{value}"'
