"""``voicebus trace SESSION [TURN]``: where the time of a past turn went, from the log."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from subjects.tokens import is_token
from voicebus import operator
from voicebus.cli.replay import last_session, recorded
from voicebus.cli.show import harmless, wrapped
from voicebus.errors import ConfigError, VoicebusError
from voicebus.turn_page import render
from voicebus.turn_times import PastTurn, past_turns
from voicebus.waterfall import Stage, draw_waterfall


def add_parser(subparsers: Any) -> None:
    """Add ``trace``."""
    parser = subparsers.add_parser(
        "trace", help="show where the time of a past turn went", description=__doc__
    )
    parser.add_argument("session", help="session id, or `last`")
    parser.add_argument("turn", type=int, nargs="?", help="number of the turn (all of them)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``trace``."""
    if not is_token(args.session):
        print(f"voicebus trace: not a session id: {args.session!r}", file=sys.stderr)
        return 2
    try:
        session, turns = asyncio.run(_turns(args.session))
    except VoicebusError as err:
        print(f"voicebus trace: {err}", file=sys.stderr)
        return 1
    chosen = [turn for turn in turns if args.turn in (None, turn.turn)]
    if not chosen:
        number = "turns" if args.turn is None else f"turn {args.turn}"
        raise ConfigError(f"session {session} has no {number} in the log")
    if args.html is not None:
        args.html.write_text(render(session, chosen), encoding="utf-8")
        print(f"{len(chosen)} turns of {session} in {args.html}", file=sys.stderr)
    elif args.json:
        print(msgspec.json.format(msgspec.json.encode(chosen)).decode())
    else:
        columns = min(shutil.get_terminal_size().columns, 100)
        print("\n\n".join(drawn(turn, columns) for turn in chosen))
    return 0


async def _turns(session: str) -> tuple[str, list[PastTurn]]:
    async with operator.connected("admin", "trace") as bus:
        session = await last_session(bus) if session == "last" else session
        return session, past_turns(await recorded(bus, session))


def drawn(turn: PastTurn, columns: int) -> str:
    """Return a turn's waterfall up to the first audio, and what happened in it, as text."""
    trace = f"  trace {turn.trace_id}" if turn.trace_id else ""
    lines = [f"turn {turn.turn}  {turn.outcome or 'not ended'}{trace}"]
    lines += [wrapped(f"  > {harmless(turn.asked)}", 4, columns)] if turn.asked else []
    lines += [wrapped(f"  < {harmless(turn.reply)}", 4, columns)] if turn.reply else []
    stages = [Stage(bar.name, bar.start_ms, bar.ready_ms) for bar in turn.bars]
    shown = [stage for stage in stages if stage.name != "heard"]
    waterfall = draw_waterfall(shown, turn.response_ms, columns)
    lines += ["", waterfall, ""] if waterfall else [""]
    lines += [f"{mark.at_ms:>9.0f} ms  {harmless(mark.what)}" for mark in turn.marks]
    return "\n".join(lines)
