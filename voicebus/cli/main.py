"""The ``voicebus`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from voicebus import known, log, settings
from voicebus.cli import (
    auth,
    autoscale,
    bench,
    config,
    dead_letters,
    doctor,
    drain,
    faq,
    keys,
    layout,
    load,
    models,
    nats_exporter,
    part,
    personas,
    replay,
    talk,
    top,
    trace,
    up,
    voices,
)
from voicebus.errors import ConfigError


def every_command() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="voicebus", description="Talk with machines: speech in, speech out, over NATS."
    )
    parser.add_argument("--version", action="version", version=f"voicebus {version('voicebus')}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (
        *(up, talk, top, replay, trace, doctor, drain, autoscale, dead_letters),
        *(personas, faq, voices, config, models, keys, auth, layout, load, bench, part),
        nats_exporter,
    ):
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    args = every_command().parse_args(arguments)
    # Output is for pipes; what the library has to say goes beside it. Parts configure their own.
    log.configure_quietly()
    try:
        if args.run not in (doctor.run, config.run_check):
            settings.check_known(os.environ, known.every_setting())
        return int(args.run(args))
    except ConfigError as err:
        print(f"voicebus: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
