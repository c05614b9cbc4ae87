"""``voicebus faq``: questions that a persona answers at once, without the language model.

A file has the columns question and answer (.csv, .tsv), or an object with both in each line
(.jsonl). Beside NAME.md in the folder of the personas it is NAME.faq.csv and needs no import.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from voicebus.bus.client import Bus
from voicebus.cli.personas import named, with_bus
from voicebus.errors import ConfigError
from voicebus.personas import parts
from voicebus.personas.books import built, read_file
from voicebus.personas.pairs import Pair


def add_parser(subparsers: Any) -> None:
    """Add ``faq import|test|remove``."""
    faq = subparsers.add_parser(
        "faq", help="publish and try a persona's instant answers", description=__doc__
    )
    verbs = faq.add_subparsers(title="verbs", required=True, metavar="VERB")
    importing = verbs.add_parser("import", help="put a file into the bucket on the bus")
    importing.add_argument("file", type=Path)
    importing.add_argument("--persona", required=True, help="whose answers they are")
    importing.set_defaults(run=run_import)
    testing = verbs.add_parser("test", help="say what is answered, how it was found and how fast")
    testing.add_argument("question", nargs="+")
    source = testing.add_mutually_exclusive_group(required=True)
    source.add_argument("--persona", help="whose answers, of the bucket")
    source.add_argument("--file", type=Path, help="a file that was not imported yet")
    testing.add_argument(
        "--least", type=float, default=85.0, help="how alike questions must be, of 100 (85)"
    )
    testing.set_defaults(run=run_test)
    remove = verbs.add_parser("remove", help="take the answers of a persona out of the bucket")
    remove.add_argument("persona")
    remove.set_defaults(run=run_remove)


def run_import(args: argparse.Namespace) -> int:
    """Run ``voicebus faq import``."""
    name, pairs = named(args.persona), read_file(args.file)
    if not pairs:
        raise ConfigError(f"{args.file}: there are no questions in it")

    async def put(bus: Bus) -> None:
        packed = parts.packed(pairs)
        await parts.put(bus, name, packed)
        print(f"{name}: {len(pairs)} questions, version {packed[0].version}")

    return with_bus("faq", put)


def run_test(args: argparse.Namespace) -> int:
    """Run ``voicebus faq test``: 1 if a question has no answer."""
    found: list[Pair] = []
    if args.file is not None:
        found += read_file(args.file)
    else:
        name = named(args.persona)

        async def get(bus: Bus) -> None:
            first = await parts.find(bus, name)
            if first is None:
                raise ConfigError(f"the persona {name!r} has no instant answers")
            found.extend(parts.unpacked(await parts.find_all(bus, name, first)))

        if failed := with_bus("faq", get):
            return failed
    faq = built(found, args.least)
    unanswered = 0
    for question in args.question:
        begun_s = time.perf_counter()
        match = faq.find(question)
        took_ms = (time.perf_counter() - begun_s) * 1000
        if match is None:
            unanswered += 1
            print(f"-           {took_ms:6.2f} ms  {question}: the language model answers")
        else:
            how = f"{match.how} {match.score:.0f}"
            print(f"{how:<14}{took_ms:6.2f} ms  {match.question}: {match.answer}")
    print(f"{len(faq)} questions", file=sys.stderr)
    return 1 if unanswered else 0


def run_remove(args: argparse.Namespace) -> int:
    """Run ``voicebus faq remove``."""
    name = named(args.persona)

    async def remove(bus: Bus) -> None:
        if await parts.find(bus, name) is None:
            raise ConfigError(f"the persona {name!r} has no instant answers")
        await parts.put(bus, name, ())
        print(f"{name}: removed")

    return with_bus("faq", remove)
