"""``voicebus voices``: voices that are made of samples, for workers with XTTS."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from schemas.codec import decode
from schemas.voice import VoiceKept
from subjects.tokens import is_token
from subjects.voices import phrase_subject, voice_of, voice_subject
from voicebus import operator
from voicebus.bus.client import Bus
from voicebus.bus.layout import ensure_layout
from voicebus.bus.purge import purge
from voicebus.errors import ConfigError, VoicebusError
from voicebus.settings import PREFIX

_LICENCE: Final = "Coqui Public Model License 1.0.0: no commercial use; https://coqui.ai/cpml"
"""What XTTS v2 is published under, where its folder does not say."""

_LICENCE_FILES: Final = ("LICENSE.txt", "LICENSE", "LICENCE.txt", "LICENCE")


def add_parser(subparsers: Any) -> None:
    """Add ``voices add|list|remove``."""
    voices = subparsers.add_parser("voices", help="make voices of samples")
    voices.description = __doc__
    commands = voices.add_subparsers(metavar="COMMAND", required=True)
    add = commands.add_parser("add", help="make a voice; needs the environment of XTTS")
    add.add_argument("name", type=_name, metavar="NAME", help="letters, digits, - and _")
    add.add_argument("samples", nargs="+", type=Path, metavar="WAV", help="one speaker, 6 to 30 s")
    add.add_argument(
        "--consent", required=True, metavar="TEXT", help="who agreed, and where that is written"
    )
    add.add_argument("--model", type=Path, metavar="DIR", help="or VOICEBUS_TTS_XTTS_MODEL")
    add.add_argument("--accept-licence", action="store_true", help="of the weights: do not ask")
    add.add_argument("--replace", action="store_true", help="the voice that has this name")
    add.set_defaults(run=run_add)
    listing = commands.add_parser("list", help="show every voice, its consent and its licence")
    listing.set_defaults(run=run_list)
    remove = commands.add_parser("remove", help="forget a voice, at all workers")
    remove.add_argument("name", type=_name, metavar="NAME")
    remove.set_defaults(run=run_remove)


def run_add(args: argparse.Namespace) -> int:
    """Run ``voicebus voices add``."""
    try:
        return asyncio.run(_add(args))
    except VoicebusError as err:
        return _fail(err)


def run_list(args: argparse.Namespace) -> int:
    """Run ``voicebus voices list``."""
    try:
        found = asyncio.run(_with_bus(_kept))
    except VoicebusError as err:
        return _fail(err)
    for name, kept in sorted(found.items()):
        print(f"{name}: {kept.seconds:.0f} s, {kept.made}")
        print(f"  consent: {kept.consent}")
        print(f"  licence: {kept.licence}")
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Run ``voicebus voices remove``."""

    async def remove(bus: Bus) -> bool:
        known = args.name in await _kept(bus)
        if known:
            await _keep(bus, args.name, VoiceKept())
            await _forget_phrases(bus)
        return known

    try:
        was_there = asyncio.run(_with_bus(remove))
    except VoicebusError as err:
        return _fail(err)
    if not was_there:
        return _fail(ConfigError(f"there is no voice {args.name!r}"))
    return 0


async def _add(args: argparse.Namespace) -> int:
    if not args.consent.strip():
        raise ConfigError("--consent says who agreed to the voice, and where that is written down")
    folder = args.model or Path(os.environ.get(f"{PREFIX}TTS_XTTS_MODEL", ""))
    if not folder.name:
        raise ConfigError("no model: --model DIR, or VOICEBUS_TTS_XTTS_MODEL")

    async def is_free(bus: Bus) -> bool:
        return args.replace or args.name not in await _kept(bus)

    # Before minutes of work, and before anybody is asked to accept something.
    if not await _with_bus(is_free):
        raise ConfigError(f"there is a voice {args.name!r} already: --replace")
    cloning = _cloning()
    heard = cloning.read_samples(args.samples)
    licence = _accepted(folder, asks=not args.accept_licence)
    print(f"{heard.seconds:.0f} s of speech; loading {folder.name} …", file=sys.stderr)
    kept = await asyncio.to_thread(cloning.made, folder, heard)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"consent": args.consent.strip(), "licence": licence, "made": now}
    done = VoiceKept(**{name: getattr(kept, name) for name in _MADE}, **told)

    async def keep(bus: Bus) -> None:
        await _keep(bus, args.name, done)
        if args.replace:
            await _forget_phrases(bus)

    await _with_bus(keep)
    print(args.name)
    return 0


_MADE: Final = ("model", "latents", "shape", "speaker", "seconds")


def _cloning() -> Any:
    """Return what makes voices: it is a part of the stage, and needs the stage's libraries."""
    try:
        return import_module("services.tts.cloning")
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"this environment cannot make voices ({err}): it takes the extra `xtts`, "
            "see docs/howto/voices.md"
        ) from err


def _accepted(folder: Path, *, asks: bool) -> str:
    """Show the licence of the weights; return it once it is accepted.

    Raises:
        ConfigError: It is not.
    """
    file = next((folder / name for name in _LICENCE_FILES if (folder / name).is_file()), None)
    text = _LICENCE if file is None else file.read_text(encoding="utf-8", errors="replace")
    named = next((line.strip() for line in text.splitlines() if line.strip()), _LICENCE)
    print(text, file=sys.stderr)
    if asks:
        if not sys.stdin.isatty():
            raise ConfigError("the licence of the weights has to be accepted: --accept-licence")
        print("Do you accept this licence? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise ConfigError("the licence was not accepted; nothing was made")
    return named[:200]


async def _with_bus(work: Any) -> Any:
    settings = operator.bus_settings(os.environ, "admin")
    async with operator.connected("admin", "voices") as bus:
        if not settings.nats_nkey_file:
            await ensure_layout(bus, settings.limits())
        return await work(bus)


async def _kept(bus: Bus) -> dict[str, VoiceKept]:
    subject = voice_subject(bus.cell, "*")
    found: dict[str, VoiceKept] = {}
    async for message in bus.read("VOICE", subject):
        event = decode(message.payload)
        if isinstance(event, VoiceKept) and event.model:
            found[voice_of(message.subject)] = event
    return found


async def _keep(bus: Bus, name: str, kept: VoiceKept) -> None:
    subject = voice_subject(bus.cell, name)
    last = await bus.last("VOICE", subject)
    await bus.keep(kept, subject, 0 if last is None else last.sequence)


async def _forget_phrases(bus: Bus) -> None:
    """Nothing that was said in a voice stays. Which voice said a phrase is not told: all go."""
    await purge(bus, "PHRASE", phrase_subject(bus.cell, "*"))


def _name(given: str) -> str:
    if not is_token(given) or len(given) > 64:
        raise argparse.ArgumentTypeError("letters, digits, - and _, at most 64")
    return given


def _fail(err: VoicebusError) -> int:
    print(f"voicebus voices: {err}", file=sys.stderr)
    return 1
