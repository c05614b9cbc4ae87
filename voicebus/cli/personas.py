"""``voicebus persona``: who answers, written as Markdown with front matter.

A persona is a file NAME.md. `check` says what is wrong with files; `push` puts them into the bucket
on the bus, from which every turn worker of the cell takes them.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from schemas.persona import Traits
from subjects.tokens import is_token
from voicebus import operator
from voicebus.bus.client import Bus
from voicebus.errors import ConfigError, VoicebusError
from voicebus.personas import shelf
from voicebus.personas.text import file_text, read


def add_parser(subparsers: Any) -> None:
    """Add ``persona check|push|list|show|remove``."""
    persona = subparsers.add_parser(
        "persona", help="check, publish and list personas", description=__doc__
    )
    verbs = persona.add_subparsers(title="verbs", required=True, metavar="VERB")
    for verb, run, help_text in (
        ("check", run_check, "say what is wrong with files; the bus is not asked"),
        ("push", run_push, "put files into the bucket, if all of them are good"),
    ):
        files = verbs.add_parser(verb, help=help_text)
        files.add_argument("path", type=Path, nargs="+", help="NAME.md, or a folder of them")
        files.set_defaults(run=run)
    listing = verbs.add_parser("list", help="show the personas of the bucket")
    listing.add_argument("--versions", action="store_true", help="older ones, too")
    listing.set_defaults(
        run=lambda args: with_bus("persona", lambda bus: _list(bus, args.versions))
    )
    show = verbs.add_parser("show", help="print a persona as it was written")
    show.add_argument("name")
    show.add_argument("--version", default="", help="as `list --versions` prints it (newest)")
    show.set_defaults(
        run=lambda args: with_bus("persona", lambda bus: _show(bus, args.name, args.version))
    )
    remove = verbs.add_parser("remove", help="take a persona out of the bucket")
    remove.add_argument("name")
    remove.set_defaults(run=lambda args: with_bus("persona", lambda bus: _remove(bus, args.name)))


def run_check(args: argparse.Namespace) -> int:
    """Run ``voicebus persona check``."""
    found, wrong = _read(args.path)
    for traits, _ in found:
        print(f"{traits.name:<24} {traits.version}  {_summary(traits)}".rstrip())
    for told in wrong:
        print(told, file=sys.stderr)
    return 1 if wrong else 0


def run_push(args: argparse.Namespace) -> int:
    """Run ``voicebus persona push``: all of them or none."""
    found, wrong = _read(args.path)
    for told in wrong:
        print(told, file=sys.stderr)
    if wrong:
        return 1

    async def push(bus: Bus) -> None:
        for traits, text in found:
            is_new = await shelf.put(bus, traits.name, text)
            print(f"{traits.name}: {traits.version} {'is in use' if is_new else 'was there'}")

    return with_bus("persona", push)


async def _list(bus: Bus, older: bool) -> None:  # noqa: FBT001 - as the command line has it
    newest: dict[str, shelf.Shelved] = {}
    async for kept in shelf.versions(bus):
        if older:
            _print(kept)
        newest[kept.name] = kept
    if not older:
        for kept in sorted(newest.values(), key=lambda kept: kept.name):
            if kept.text:
                _print(kept)


async def _show(bus: Bus, name: str, version: str) -> None:
    kept = [known async for known in shelf.versions(bus, named(name))]
    wanted = [known for known in kept if known.text and version in ("", known.version)]
    if not wanted or (not version and not kept[-1].text):
        raise ConfigError(f"there is no persona {name!r}" + (f" {version}" if version else ""))
    print(wanted[-1].text)


async def _remove(bus: Bus, name: str) -> None:
    if not await shelf.put(bus, named(name), ""):
        raise ConfigError(f"there is no persona {name!r}")
    print(f"{name}: removed")


def _print(kept: shelf.Shelved) -> None:
    at = datetime.datetime.fromtimestamp(kept.stored_ns / 1e9, datetime.UTC)
    version = kept.version if kept.text else "removed"
    print(f"{kept.name:<24} {version:<12}  {at.isoformat(timespec='seconds')}")


def _read(paths: Iterable[Path]) -> tuple[list[tuple[Traits, str]], list[str]]:
    """Return the personas of files and folders, and what is wrong with the others."""
    found, wrong = [], []
    for path in paths:
        files = sorted(path.glob("*.md")) if path.is_dir() else [path]
        if not files:
            wrong.append(f"{path}: there is no NAME.md in it")
        for file in files:
            try:
                text = file_text(file)
                if text is None:
                    raise ConfigError(f"{file}: there is no such file")
                found.append((read(text, named(file.stem), str(file)), text))
            except ConfigError as err:
                wrong.append(str(err))
    return found, wrong


def named(name: str) -> str:
    """Return the name of a persona.

    Raises:
        ConfigError: It is none.
    """
    if not is_token(name):
        raise ConfigError(f"{name!r} is no name: letters, digits, - and _, at most 64")
    return name


def _summary(traits: Traits) -> str:
    settings = traits.settings
    told = {"voice": settings.voice, "language": settings.language, "model": traits.model}
    return " ".join(f"{name}={value}" for name, value in told.items() if value)


def with_bus(command: str, do: Callable[[Bus], Awaitable[None]]) -> int:
    """Do something with a connection of the admin; return the exit code.

    Args:
        command: Who does it, for errors.
        do: What.

    Raises:
        ConfigError: It cannot be done as it was asked for.
    """
    try:
        asyncio.run(_with_bus(do))
    except ConfigError:
        raise
    except VoicebusError as err:
        print(f"voicebus {command}: {err}", file=sys.stderr)
        return 1
    return 0


async def _with_bus(do: Callable[[Bus], Awaitable[None]]) -> None:
    async with operator.connected("admin", "persona") as bus:
        await do(bus)
