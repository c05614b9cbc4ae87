"""``voicebus load``: many callers with recorded speech at once, and what became of them."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import uvloop
from numpy.typing import NDArray

from voicebus import parts, settings
from voicebus.cli.talk import DEFAULT_URL, read_recording
from voicebus.errors import ConfigError, VoicebusError
from voicebus.load.callers import Callers, Load
from voicebus.load.profile import PROFILES
from voicebus.load.tally import Percentiles, Report, Tally
from voicebus.settings import TALK_SCOPE, TalkSettings

MOST_SESSIONS: Final = 1000
MOST_S: Final = 3600.0
_LINE_S: Final = 5.0
_LINE_ANEW: Final = "\r\x1b[K"
_VOID: Final = 2


def add_parser(subparsers: Any) -> None:
    """Add ``load``."""
    told = "; ".join(f"{name}: {profile.told}" for name, profile in PROFILES.items())
    parser = subparsers.add_parser(
        "load",
        help="call a running system many times at once, and report",
        description="Call a running system many times at once with recorded speech, for a time. "
        f"Profiles: {told}. Exit code 1 when something was not answered, 2 when the callers "
        "themselves were late and the figures say nothing.",
    )
    parser.add_argument("--sessions", type=int, required=True, metavar="N", help="callers at once")
    parser.add_argument("--for", dest="seconds", type=float, required=True, metavar="S")
    parser.add_argument("--ramp", type=float, metavar="S", help="time in which they come (S/4)")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="talk")
    parser.add_argument("--url", default=DEFAULT_URL, help="address of /ws (default: %(default)s)")
    parser.add_argument("--key", default="", help="API key (or VOICEBUS_TALK_KEY)")
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="WAV files to speak")
    parser.add_argument("--seed", type=int, default=1, help="of who says what (1)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, alone")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``load``.

    Raises:
        ConfigError: It is more than one process can do, or there is nothing to say.
    """
    load = load_of(args)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(_run(load, args))
    print(msgspec.json.encode(report).decode() if args.json else drawn(report))
    if report.void:
        return _VOID
    failed = report.errors or report.unheard or report.unfinished
    answered = report.turns or (args.profile == "idle" and report.opened)
    return 1 if failed or not answered else 0


def load_of(args: argparse.Namespace) -> Load:
    """Return what the arguments ask for.

    Raises:
        ConfigError: It is more than one process can do, or there is nothing to say.
    """
    if not 1 <= args.sessions <= MOST_SESSIONS:
        raise ConfigError(f"--sessions must be 1 to {MOST_SESSIONS}: beyond, run several of it")
    if not 1.0 <= args.seconds <= MOST_S:
        raise ConfigError(f"--for must be 1 to {MOST_S:.0f} seconds")
    ramp_s = args.seconds / 4 if args.ramp is None else args.ramp
    if not 0.0 <= ramp_s < args.seconds:
        raise ConfigError("--ramp must be shorter than --for")
    return Load(
        url=args.url,
        sessions=args.sessions,
        seconds=args.seconds,
        ramp_s=ramp_s,
        profile=PROFILES[args.profile],
        recordings=_recordings(args.recordings),
        key=args.key or settings.read(TalkSettings, os.environ, TALK_SCOPE).key,
        seed=args.seed,
    )


def _recordings(folder: Path | None) -> tuple[NDArray[np.int16], ...]:
    folder = folder or parts.project_root() / "examples" / "samples"
    found = tuple(read_recording(str(path)) for path in sorted(folder.glob("*.wav")))
    if not found:
        raise ConfigError(f"there are no WAV files in {folder}: --recordings names a folder")
    return found


async def _run(load: Load, args: argparse.Namespace) -> Report:
    callers = Callers(load)
    showing = asyncio.create_task(_show(callers)) if not args.json else None
    try:
        await callers.run()
    except VoicebusError as error:
        raise ConfigError(str(error)) from error
    finally:
        if showing is not None:
            showing.cancel()
    return callers.tally.report(args.profile, load.sessions, load.seconds, load.ramp_s)


async def _show(callers: Callers) -> None:
    """Say how it goes: a line that renews itself on a terminal, else one now and then."""
    is_live = sys.stderr.isatty()
    while True:
        await asyncio.sleep(1.0 if is_live else _LINE_S)
        line = moment(callers.tally, callers.began_s, time.perf_counter())
        if is_live:
            # A line that were wrapped could not be renewed.
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
            print(f"{_LINE_ANEW}{line[: columns - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


def moment(tally: Tally, began_s: float, now_s: float) -> str:
    """Return how it goes, in a line.

    Args:
        tally: What has been counted.
        began_s: When it began, by the tally's clock.
        now_s: What that clock says now.
    """
    recent = tally.recent(now_s)
    errors = sum(tally.errors.values())
    return (
        f"{now_s - began_s:5.0f} s  {tally.open} sessions  {tally.turns} turns  "
        f"errors {errors}  last 10 s: p50 {recent.p50_ms:.0f} ms, p95 {recent.p95_ms:.0f} ms  "
        f"own lag p99 {tally.send_lag.p99_ms:.0f} ms"
    )


def drawn(report: Report) -> str:
    """Return the report for people."""
    rows = {"response": report.response, **report.stages, "own lag": report.send_lag}
    lines = [
        "",
        f"{report.opened} sessions opened, {report.sessions} at once, profile {report.profile}, "
        f"{report.seconds:.0f} s of which {report.ramp_s:.0f} s to come",
        f"{report.turns} turns answered after that, {report.turns_per_s:.2f} a second"
        + (" (synthetic engines)" if report.synthetic else ""),
        "",
        f"{'ms':<10}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}{'count':>9}",
        *(_row(name, found) for name, found in rows.items()),
        "",
        "errors     " + (", ".join(f"{c} {n}" for c, n in report.errors.items()) or "none"),
        *([f"unheard    {report.unheard}"] if report.unheard else []),
        *([f"cut off    {report.unfinished}"] if report.unfinished else []),
        *(f"VOID       {reason}" for reason in report.void),
    ]
    return "\n".join(lines)


def _row(name: str, found: Percentiles) -> str:
    times = (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms)
    return f"{name:<10}" + "".join(f"{ms:9.0f}" for ms in times) + f"{found.count:9d}"
