"""``voicebus dead-letters``: jobs that are given to no other worker.

They killed or failed three of them, or no worker can read them.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from schemas.event import Event
from voicebus import dead_letters, operator
from voicebus.bus.client import Bus
from voicebus.cli.show import harmless
from voicebus.dead_letters import Kept
from voicebus.errors import CodecError, VoicebusError

_REASON_CHARS: Final = 60


def add_parser(subparsers: Any) -> None:
    """Add ``dead-letters``."""
    parser = subparsers.add_parser(
        "dead-letters", help="look after jobs that nobody could do", description=__doc__
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="print one line for each")
    listing.add_argument("--json", action="store_true", help="one JSON object per line")
    listing.set_defaults(run=lambda args: _run(_shown_as_json if args.json else _listed))
    for verb, do, help_text in (
        ("show", _show, "print all that is known of one, with the job"),
        ("retry", _retry, "publish the job again and drop the letter"),
        ("drop", _drop, "remove one for good"),
    ):
        parser = verbs.add_parser(verb, help=help_text)
        parser.add_argument("number", type=int, nargs="+", help="as `list` prints it")
        parser.set_defaults(run=lambda args, do=do: _run(_each(do, args.number)))


def _run(do: Callable[[Bus], Awaitable[None]]) -> int:
    try:
        asyncio.run(_with_bus(do))
    except VoicebusError as err:
        print(f"voicebus dead-letters: {err}", file=sys.stderr)
        return 1
    return 0


async def _with_bus(do: Callable[[Bus], Awaitable[None]]) -> None:
    async with operator.connected("admin", "dead-letters") as bus:
        await do(bus)


def _each(
    do: Callable[[Bus, Kept], Awaitable[None]], numbers: list[int]
) -> Callable[[Bus], Awaitable[None]]:
    async def done(bus: Bus) -> None:
        for number in numbers:
            await do(bus, await dead_letters.find(bus, number))

    return done


async def _listed(bus: Bus) -> None:
    async for letter in dead_letters.kept(bus):
        reason = harmless(" ".join(letter.letter.reason.split()))
        shown = reason if len(reason) <= _REASON_CHARS else f"{reason[: _REASON_CHARS - 1]}…"
        print(
            f"{letter.number:>6}  {_time(letter.stored_ns)}  {letter.role:<4}  "
            f"{letter.place.session}  {letter.job:<8}  {letter.letter.failures}x  {shown}"
        )


async def _shown_as_json(bus: Bus) -> None:
    async for letter in dead_letters.kept(bus):
        print(json.dumps(_fields(letter)))


async def _show(_: Bus, letter: Kept) -> None:
    print(harmless(json.dumps(_fields(letter), indent=2, ensure_ascii=False)))


async def _retry(bus: Bus, letter: Kept) -> None:
    await dead_letters.retry(bus, letter)
    print(f"{letter.number}: given to the {letter.role} workers again")


async def _drop(bus: Bus, letter: Kept) -> None:
    await dead_letters.drop(bus, letter)
    print(f"{letter.number}: dropped")


def _fields(letter: Kept) -> dict[str, Any]:
    request, refused = _request(letter)
    return {
        "number": letter.number,
        "role": letter.role,
        "cell": letter.place.cell,
        "edge": letter.place.edge,
        "session": letter.place.session,
        "job": letter.job,
        "reason": letter.letter.reason,
        "failures": letter.letter.failures,
        "workers": list(letter.letter.workers),
        "first": _time(letter.letter.first_ns),
        "last": _time(letter.letter.last_ns),
        "given_up": _time(letter.stored_ns),
        "request": msgspec.to_builtins(request) if request is not None else None,
        "unreadable": letter.letter.request.hex() if request is None else "",
        "refused": refused,
    }


def _request(letter: Kept) -> tuple[Event | None, str]:
    try:
        return letter.request(), ""
    except CodecError as error:
        return None, str(error)


def _time(stamp_ns: int) -> str:
    at = datetime.datetime.fromtimestamp(stamp_ns / 1e9, datetime.UTC)
    return at.isoformat(timespec="seconds")
