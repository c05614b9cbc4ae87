"""``voicebus models``: fetch, list and check the model files."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from voicebus.errors import ModelError
from voicebus.models import ModelStore, default_folder, progress_for
from voicebus.models.disk import in_words

if TYPE_CHECKING:
    from voicebus.models import FileState

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Add ``models pull|list|verify``; each sets ``run``, from the arguments to an exit code."""
    models = subparsers.add_parser("models", help="fetch, list and check the model files")
    commands = models.add_subparsers(metavar="COMMAND", required=True)

    pull = commands.add_parser("pull", help="fetch what is missing or corrupt")
    pull.add_argument("names", nargs="*", metavar="NAME", help="default: the embedded defaults")
    pull.add_argument("--all", action="store_true", help="every model of the lock file")
    pull.set_defaults(run=run_pull)

    listing = commands.add_parser("list", help="show every model, its licence and its state")
    listing.set_defaults(run=run_list)

    verify = commands.add_parser("verify", help="read every byte and compare with the lock file")
    verify.add_argument(
        "names", nargs="*", metavar="NAME", help="default: the embedded defaults and what is there"
    )
    verify.set_defaults(run=run_verify)

    for command in (pull, listing, verify):
        command.add_argument(
            "--dir", type=Path, metavar="D", help="folder of the models (or VOICEBUS_MODELS_DIR)"
        )


def run_pull(args: argparse.Namespace) -> int:
    """Run ``voicebus models pull``; 0 when every model asked for is complete."""
    try:
        store = _store(args)
        names = args.names or (store.lock.names if args.all else store.lock.default_names)
        store.pull(names, progress_for(sys.stderr))
        for name in names:
            print(store.path(name))
    except ModelError as err:
        return _fail(err)
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Run ``voicebus models list``."""
    try:
        store = _store(args)
    except ModelError as err:
        return _fail(err)
    print(f"Models in {store.folder} (* = embedded default)")
    for entry in store.list():
        model = entry.model
        mark = "*" if model.default else " "
        print(
            f"{mark} {model.name:<28} {entry.state:<9} {in_words(model.size_bytes):>9}  "
            f"{model.licence:<13} {model.purpose}"
        )
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Run ``voicebus models verify``; 0 when every file checked is intact."""
    try:
        store = _store(args)
        found = store.verify(args.names or _worth_checking(store))
    except ModelError as err:
        return _fail(err)
    for state in found:
        print(f"{state.state:<8} {state.model}/{state.path}")
    if bad := _names_of_bad(found):
        where = f" --dir {store.folder}" if args.dir else ""
        print(f"To mend: voicebus models pull {' '.join(bad)}{where}", file=sys.stderr)
    return 1 if bad else 0


def _store(args: argparse.Namespace) -> ModelStore:
    return ModelStore(args.dir or default_folder(os.environ))


def _worth_checking(store: ModelStore) -> list[str]:
    return [
        entry.model.name for entry in store.list() if entry.model.default or entry.state != "absent"
    ]


def _names_of_bad(found: tuple[FileState, ...]) -> list[str]:
    return list(dict.fromkeys(state.model for state in found if state.state != "intact"))


def _fail(err: ModelError) -> int:
    print(f"error: {err}", file=sys.stderr)
    return 1
